import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.InvalidSessionTimeoutException;

/** Classic groups: eager rebalances, commits, members that come and go. */
final class Groups {
    private static final String RANGE = "org.apache.kafka.clients.consumer.RangeAssignor";
    private static final String ROUND_ROBIN = "org.apache.kafka.clients.consumer.RoundRobinAssignor";
    private static final String STICKY = "org.apache.kafka.clients.consumer.StickyAssignor";

    private Groups() {
    }

    /** A member on a thread of its own, which polls until it is closed. */
    static final class Member implements AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final List<ConsumerRecord<String, String>> records = new CopyOnWriteArrayList<>();
        final List<String> events = new CopyOnWriteArrayList<>();
        volatile Set<TopicPartition> assigned = Collections.emptySet();
        volatile Throwable error;
        private final AtomicBoolean stop = new AtomicBoolean();
        private final Thread thread;

        Member(KafkaConsumer<String, String> consumer, String... topics) {
            this.consumer = consumer;
            consumer.subscribe(Arrays.asList(topics), new ConsumerRebalanceListener() {
                @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    events.add("revoked " + partitions.size());
                }

                @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    events.add("assigned " + partitions.size());
                }
            });
            thread = new Thread(this::run);
            thread.setDaemon(true);
            thread.start();
        }

        private void run() {
            try {
                while (!stop.get()) {
                    consumer.poll(Duration.ofMillis(50)).forEach(records::add);
                    assigned = new HashSet<>(consumer.assignment());
                }
                consumer.close();
            } catch (Throwable reason) {
                error = reason;
                consumer.close(Duration.ZERO);
            }
        }

        @Override public void close() throws Exception {
            stop.set(true);
            thread.join(15_000);
        }
    }

    static void balanced(Member... members) throws Exception {
        World.await("a share for each of " + members.length, () -> {
            Set<TopicPartition> all = new HashSet<>();
            int sum = 0;
            for (Member member : members) {
                if (member.error != null) {
                    throw new AssertionError("a member failed", member.error);
                }
                all.addAll(member.assigned);
                sum += member.assigned.size();
            }
            return sum == 4 && all.size() == 4 && Arrays.stream(members).noneMatch(m -> m.assigned.isEmpty());
        });
    }

    private static void comeAndGo(World world, String stem, String assignor) throws Exception {
        String topic = world.topic(stem, 4);
        String[] settings = {"partition.assignment.strategy", assignor};
        Member first = new Member(world.consumer(topic, settings), topic);
        balanced(first);
        try (Member second = new Member(world.consumer(topic, settings), topic)) {
            balanced(first, second);
            world.fill(topic, 200);
            World.await("200 records", () -> first.records.size() + second.records.size() >= 200);
            List<ConsumerRecord<String, String>> all = new ArrayList<>(first.records);
            all.addAll(second.records);
            World.whole(all, 200);
        }
        balanced(first);
        first.close();
        World.same("error of the first member", null, first.error);
    }

    @Board.Case static void eagerRange(World world) throws Exception {
        comeAndGo(world, "range", RANGE);
    }

    @Board.Case static void eagerRoundRobin(World world) throws Exception {
        comeAndGo(world, "round-robin", ROUND_ROBIN);
    }

    @Board.Case static void eagerSticky(World world) throws Exception {
        comeAndGo(world, "sticky", STICKY);
    }

    @Board.Case static void rebalanceListener(World world) throws Exception {
        String topic = world.topic("listener", 4);
        String[] settings = {"partition.assignment.strategy", RANGE};
        try (Member first = new Member(world.consumer(topic, settings), topic)) {
            balanced(first);
            try (Member second = new Member(world.consumer(topic, settings), topic)) {
                balanced(first, second);
            }
            World.await("all partitions again", () -> first.assigned.size() == 4);
            List<String> events = new ArrayList<>(first.events);
            events.remove("revoked 0");
            World.same("events", Arrays.asList("assigned 4", "revoked 4", "assigned 2", "revoked 2", "assigned 4"), events);
        }
    }

    @Board.Case static void commitAndResume(World world) throws Exception {
        String topic = world.topic("resume", 1);
        world.fill(topic, 50);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic, "max.poll.records", "20")) {
            consumer.subscribe(Collections.singleton(topic));
            World.take(consumer, 20);
            consumer.commitSync();
        }
        try (KafkaConsumer<String, String> consumer = world.consumer(topic)) {
            World.same("committed", 20L, Api.committed(consumer, partition).offset());
            consumer.subscribe(Collections.singleton(topic));
            World.same("first record after the commit", 20L, World.take(consumer, 30).get(0).offset());
        }
    }

    @Board.Case static void commitAsyncWithMetadata(World world) throws Exception {
        String topic = world.topic("async", 2);
        TopicPartition partition = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic)) {
            consumer.assign(Collections.singleton(partition));
            CompletableFuture<Exception> done = new CompletableFuture<>();
            consumer.commitAsync(Collections.singletonMap(partition, new OffsetAndMetadata(7, "a note ü")), (offsets, error) -> done.complete(error));
            World.await("the callback", () -> {
                consumer.poll(Duration.ofMillis(50));
                return done.isDone();
            });
            World.same("error", null, done.get(1, TimeUnit.SECONDS));
            OffsetAndMetadata committed = Api.committed(consumer, partition);
            World.same("offset", 7L, committed.offset());
            World.same("metadata", "a note ü", committed.metadata());
            World.same("nothing for the other", null, Api.committed(consumer, new TopicPartition(topic, 0)));
        }
    }

    @Board.Case static void autoCommitOnClose(World world) throws Exception {
        String topic = world.topic("auto-commit", 1);
        world.fill(topic, 25);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic, "enable.auto.commit", "true")) {
            consumer.subscribe(Collections.singleton(topic));
            World.take(consumer, 25);
        }
        try (KafkaConsumer<String, String> consumer = world.consumer(topic)) {
            World.same("committed", 25L, Api.committed(consumer, new TopicPartition(topic, 0)).offset());
        }
    }

    @Board.Case static void patternFindsNewTopics(World world) throws Exception {
        String stem = world.name("pattern");
        String first = world.topic("pattern-a", 1);
        world.fill(first, 5);
        try (KafkaConsumer<String, String> consumer = world.consumer(stem)) {
            consumer.subscribe(Pattern.compile("board-pattern-[ab]-" + stem.substring(stem.lastIndexOf('-') + 1)));
            World.take(consumer, 5);
            consumer.commitSync();
            String second = world.topic("pattern-b", 1);
            world.fill(second, 5);
            World.same("topic of the new records", second, World.take(consumer, 5).get(0).topic());
        }
    }

    @Board.Case static void newPartitionsAreAssigned(World world) throws Exception {
        String topic = world.topic("grow", 1);
        try (Member member = new Member(world.consumer(topic), topic)) {
            World.await("the first partition", () -> member.assigned.size() == 1);
            world.admin.createPartitions(Collections.singletonMap(topic, NewPartitions.increaseTo(4))).all().get();
            balanced(member);
        }
    }

    /** Who polls too seldom leaves the group; its commit is refused when it comes back. */
    @Board.Case static void slowMemberLosesItsPartitions(World world) throws Exception {
        String topic = world.topic("slow", 4);
        world.fill(topic, 10);
        try (KafkaConsumer<String, String> slow = world.consumer(topic, "max.poll.interval.ms", "1500")) {
            slow.subscribe(Collections.singleton(topic));
            World.take(slow, 10);
            try (Member other = new Member(world.consumer(topic), topic)) {
                balanced(other);
                World.fails(CommitFailedException.class, () -> {
                    slow.commitSync();
                    return "the commit was taken";
                });
            }
        }
    }

    @Board.Case static void differentProtocolsAreRefused(World world) throws Exception {
        String topic = world.topic("protocols", 4);
        try (Member member = new Member(world.consumer(topic, "partition.assignment.strategy", RANGE), topic);
             KafkaConsumer<String, String> other = world.consumer(topic, "partition.assignment.strategy", ROUND_ROBIN)) {
            balanced(member);
            other.subscribe(Collections.singleton(topic));
            World.fails(InconsistentGroupProtocolException.class, () -> {
                for (int i = 0; i < 50; i++) {
                    other.poll(Duration.ofMillis(200));
                }
                return "no error";
            });
        }
    }

    @Board.Case static void sessionTimeoutOutOfBounds(World world) throws Exception {
        String topic = world.topic("session", 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic, "session.timeout.ms", "500", "heartbeat.interval.ms", "100")) {
            consumer.subscribe(Collections.singleton(topic));
            World.fails(InvalidSessionTimeoutException.class, () -> {
                for (int i = 0; i < 50; i++) {
                    consumer.poll(Duration.ofMillis(200));
                }
                return "no error";
            });
        }
    }

    @Board.Case static void twoTopicsOneGroup(World world) throws Exception {
        String one = world.topic("both-a", 2);
        String two = world.topic("both-b", 2);
        world.fill(one, 30);
        world.fill(two, 30);
        try (Member first = new Member(world.consumer(one), one, two); Member second = new Member(world.consumer(one), one, two)) {
            balanced(first, second);
            World.await("60 records", () -> first.records.size() + second.records.size() >= 60);
        }
    }
}
