import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListConsumerGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ConsumerGroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidGroupIdException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Classic groups with what came after 2.1: cooperative rebalances, static members, offsets set from outside. */
@SuppressWarnings("deprecation")
final class GroupsNewer {
    private GroupsNewer() {
    }

    /** A member that keeps partitions is never told that they are gone. */
    @Board.Case static void cooperative(World world) throws Exception {
        String topic = world.topic("cooperative", 4);
        String[] settings = {"partition.assignment.strategy", CooperativeStickyAssignor.class.getName()};
        try (Groups.Member first = new Groups.Member(world.consumer(topic, settings), topic)) {
            Groups.balanced(first);
            try (Groups.Member second = new Groups.Member(world.consumer(topic, settings), topic)) {
                Groups.balanced(first, second);
                World.check("only two were revoked: " + first.events, first.events.contains("revoked 2") && !first.events.contains("revoked 4"));
                world.fill(topic, 200);
                World.await("200 records", () -> first.records.size() + second.records.size() >= 200);
                List<ConsumerRecord<String, String>> all = new ArrayList<>(first.records);
                all.addAll(second.records);
                World.whole(all, 200);
            }
            Groups.balanced(first);
        }
    }

    /** From eager to cooperative without an end of the group. */
    @Board.Case static void eagerAndCooperativeTogether(World world) throws Exception {
        String topic = world.topic("upgrade", 4);
        String both = CooperativeStickyAssignor.class.getName() + ",org.apache.kafka.clients.consumer.RangeAssignor";
        try (Groups.Member old = new Groups.Member(world.consumer(topic, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"), topic)) {
            Groups.balanced(old);
            try (Groups.Member mixed = new Groups.Member(world.consumer(topic, "partition.assignment.strategy", both), topic)) {
                Groups.balanced(old, mixed);
                World.same("assignor", "range", GroupAdmin.describe(world, topic).partitionAssignor());
            }
        }
    }

    @Board.Case static void staticMemberComesBack(World world) throws Exception {
        String topic = world.topic("static", 4);
        String[] settings = {"group.instance.id", "one", "session.timeout.ms", "20000"};
        try (Groups.Member other = new Groups.Member(world.consumer(topic, "group.instance.id", "two"), topic)) {
            Groups.balanced(other);
            Set<TopicPartition> before;
            int events;
            try (Groups.Member first = new Groups.Member(world.consumer(topic, settings), topic)) {
                Groups.balanced(other, first);
                before = first.assigned;
                events = other.events.size();
            }
            try (Groups.Member again = new Groups.Member(world.consumer(topic, settings), topic)) {
                Groups.balanced(other, again);
                World.same("the same partitions", before, again.assigned);
                World.same("no rebalance of the other", events, other.events.size());
                World.check("described with its instance id", GroupAdmin.describe(world, topic).members().stream()
                    .anyMatch(m -> m.groupInstanceId().orElse("").equals("one")));
            }
        }
    }

    @Board.Case static void staticMemberTimesOut(World world) throws Exception {
        String topic = world.topic("static-gone", 4);
        try (Groups.Member other = new Groups.Member(world.consumer(topic), topic)) {
            Groups.balanced(other);
            try (Groups.Member gone = new Groups.Member(world.consumer(topic, "group.instance.id", "one", "session.timeout.ms", "2000"), topic)) {
                Groups.balanced(other, gone);
            }
            Groups.balanced(other);
        }
    }

    @Board.Case static void staticMemberIsFenced(World world) throws Exception {
        String topic = world.topic("fenced", 4);
        String[] settings = {"group.instance.id", "one"};
        Groups.Member first = new Groups.Member(world.consumer(topic, settings), topic);
        Groups.balanced(first);
        try (Groups.Member second = new Groups.Member(world.consumer(topic, settings), topic)) {
            Groups.balanced(second);
            World.await("the first one's error", () -> first.error != null);
            World.same("kind of error", FencedInstanceIdException.class, first.error.getClass());
        }
    }

    @Board.Case static void removeMembers(World world) throws Exception {
        String topic = world.topic("remove", 4);
        try (Groups.Member member = new Groups.Member(world.consumer(topic, "group.instance.id", "one", "session.timeout.ms", "40000"), topic)) {
            Groups.balanced(member);
        }
        World.same("members", 1, GroupAdmin.describe(world, topic).members().size());
        World.fails(UnknownMemberIdException.class, () -> world.admin.removeMembersFromConsumerGroup(topic,
            new RemoveMembersFromConsumerGroupOptions(Collections.singleton(new MemberToRemove("two")))).memberResult(new MemberToRemove("two")).get());
        world.admin.removeMembersFromConsumerGroup(topic, new RemoveMembersFromConsumerGroupOptions(Collections.singleton(new MemberToRemove("one")))).all().get();
        World.same("members", 0, GroupAdmin.describe(world, topic).members().size());
        try (Groups.Member member = new Groups.Member(world.consumer(topic), topic)) {
            Groups.balanced(member);
            world.admin.removeMembersFromConsumerGroup(topic, new RemoveMembersFromConsumerGroupOptions()).all().get();
        }
    }

    @Board.Case static void enforceRebalance(World world) throws Exception {
        String topic = world.topic("enforce", 4);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic)) {
            consumer.subscribe(Collections.singleton(topic));
            World.await("assignment", () -> {
                consumer.poll(Duration.ofMillis(50));
                return consumer.assignment().size() == 4;
            });
            int generation = consumer.groupMetadata().generationId();
            consumer.enforceRebalance("because");
            World.await("a later generation", () -> {
                consumer.poll(Duration.ofMillis(50));
                return consumer.groupMetadata().generationId() > generation;
            });
            ConsumerGroupMetadata metadata = consumer.groupMetadata();
            World.same("group", topic, metadata.groupId());
        }
    }

    @Board.Case static void alterOffsets(World world) throws Exception {
        String topic = world.topic("alter-offsets", 2);
        world.fill(topic, 30);
        TopicPartition partition = new TopicPartition(topic, 0);
        world.admin.alterConsumerGroupOffsets(topic, Collections.singletonMap(partition, new OffsetAndMetadata(3, "set")), new AlterConsumerGroupOffsetsOptions()).all().get();
        World.same("offset", 3L, world.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition).offset());
        World.fails(UnknownTopicOrPartitionException.class, () -> world.admin.alterConsumerGroupOffsets(topic,
            Collections.singletonMap(new TopicPartition(world.name("nothing"), 0), new OffsetAndMetadata(1))).all().get());
        try (Groups.Member member = new Groups.Member(world.consumer(topic), topic)) {
            World.await("the partitions", () -> member.assigned.size() == 2);
            World.fails(UnknownMemberIdException.class, () -> world.admin.alterConsumerGroupOffsets(topic, Collections.singletonMap(partition, new OffsetAndMetadata(1))).all().get());
        }
    }

    @Board.Case static void deleteOffsets(World world) throws Exception {
        String topic = world.topic("delete-offsets", 2);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        offsets.put(first, new OffsetAndMetadata(3));
        offsets.put(second, new OffsetAndMetadata(4));
        world.admin.alterConsumerGroupOffsets(topic, offsets).all().get();
        world.admin.deleteConsumerGroupOffsets(topic, Collections.singleton(first)).all().get();
        World.same("what is left", Collections.singleton(second), world.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().keySet());
        World.fails(GroupIdNotFoundException.class, () -> world.admin.deleteConsumerGroupOffsets(world.name("no-group"), Collections.singleton(first)).all().get());
        try (Groups.Member member = new Groups.Member(world.consumer(topic), topic)) {
            World.await("the partitions", () -> member.assigned.size() == 2);
            World.fails(GroupSubscribedToTopicException.class, () -> world.admin.deleteConsumerGroupOffsets(topic, Collections.singleton(second)).partitionResult(second).get());
        }
    }

    @Board.Case static void offsetsOfSeveralGroups(World world) throws Exception {
        String topic = world.topic("several", 2);
        TopicPartition partition = new TopicPartition(topic, 0);
        Map<String, ListConsumerGroupOffsetsSpec> asked = new HashMap<>();
        for (int i = 0; i < 5; i++) {
            world.admin.alterConsumerGroupOffsets(topic + i, Collections.singletonMap(partition, new OffsetAndMetadata(i))).all().get();
            asked.put(topic + i, i % 2 == 0 ? new ListConsumerGroupOffsetsSpec() : new ListConsumerGroupOffsetsSpec().topicPartitions(Arrays.asList(partition, new TopicPartition(topic, 1))));
        }
        Map<String, Map<TopicPartition, OffsetAndMetadata>> all = world.admin.listConsumerGroupOffsets(asked).all().get();
        for (int i = 0; i < 5; i++) {
            World.same("offset of group " + i, (long) i, all.get(topic + i).get(partition).offset());
            if (i % 2 == 1) {
                World.check("asked for and not there", all.get(topic + i).containsKey(new TopicPartition(topic, 1)) && all.get(topic + i).get(new TopicPartition(topic, 1)) == null);
            }
        }
    }

    @Board.Case static void listByState(World world) throws Exception {
        String topic = world.topic("states", 4);
        String empty = world.name("empty-group");
        world.admin.alterConsumerGroupOffsets(empty, Collections.singletonMap(new TopicPartition(topic, 0), new OffsetAndMetadata(1))).all().get();
        try (Groups.Member member = new Groups.Member(world.consumer(topic), topic)) {
            Groups.balanced(member);
            World.await("the stable group among the stable ones", () -> listed(world, ConsumerGroupState.STABLE).contains(topic));
            World.check("the empty one is not", !listed(world, ConsumerGroupState.STABLE).contains(empty));
            World.check("the empty ones", listed(world, ConsumerGroupState.EMPTY).contains(empty) && !listed(world, ConsumerGroupState.EMPTY).contains(topic));
        }
    }

    private static List<String> listed(World world, ConsumerGroupState state) throws Exception {
        List<String> names = new ArrayList<>();
        world.admin.listConsumerGroups(new ListConsumerGroupsOptions().inStates(Collections.singleton(state))).valid().get().forEach(g -> names.add(g.groupId()));
        return names;
    }

    @Board.Case static void currentLag(World world) throws Exception {
        String topic = world.topic("current-lag", 1);
        world.fill(topic, 10);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = world.consumer(null, "max.poll.records", "4")) {
            consumer.assign(Collections.singleton(partition));
            World.take(consumer, 4);
            World.same("lag", 6L, consumer.currentLag(partition).getAsLong());
        }
    }

    @Board.Case static void commitWithoutAGroup(World world) throws Exception {
        String topic = world.topic("no-group", 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            consumer.assign(world.partitions(topic));
            World.fails(InvalidGroupIdException.class, () -> {
                consumer.commitSync(Collections.singletonMap(new TopicPartition(topic, 0), new OffsetAndMetadata(1)));
                return "the commit was taken";
            });
        }
    }
}
