import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** kafka-consumer-groups and kafka-groups. */
final class ConsumerGroups {
    private static final String GROUPS = "consumer.group.ConsumerGroupCommand";

    private ConsumerGroups() {
    }

    /** A member that polls on a thread of its own. */
    private static final class Member implements AutoCloseable {
        private final AtomicBoolean stop = new AtomicBoolean();
        private final Thread thread;
        private volatile int assigned;

        Member(Toolbox tools, String group, String topic) throws Exception {
            KafkaConsumer<String, String> consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", tools.bootstrap, "group.id", group,
                "client.id", "tools-member", "auto.offset.reset", "earliest", "enable.auto.commit", "false", "heartbeat.interval.ms", "300"),
                new StringDeserializer(), new StringDeserializer());
            consumer.subscribe(List.of(topic));
            thread = new Thread(() -> {
                while (!stop.get()) {
                    if (!consumer.poll(Duration.ofMillis(50)).isEmpty()) {
                        consumer.commitSync();
                    }
                    assigned = consumer.assignment().size();
                }
                consumer.close();
            });
            thread.setDaemon(true);
            thread.start();
            Toolbox.await("an assignment", () -> assigned > 0);
        }

        @Override public void close() throws Exception {
            stop.set(true);
            thread.join(10_000);
        }
    }

    private static void commit(Toolbox tools, String group, String topic, long... offsets) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> map = new TreeMap<>(java.util.Comparator.comparing(TopicPartition::partition));
        for (int i = 0; i < offsets.length; i++) {
            map.put(new TopicPartition(topic, i), new OffsetAndMetadata(offsets[i]));
        }
        tools.admin.alterConsumerGroupOffsets(group, map).all().get();
    }

    private static String spaced(Object... words) {
        List<String> all = new ArrayList<>();
        for (Object word : words) {
            all.add(String.valueOf(word));
        }
        return "\\s*" + String.join("\\s+", all) + "\\s*";
    }

    @Cases.Case static void describeAnEmptyGroup(Toolbox tools) throws Exception {
        String topic = tools.topic("empty", 2, 20);
        commit(tools, topic, topic, 3, 10);
        Toolbox.Done done = tools.tool(GROUPS, "--describe", "--group", topic).ok().says("Consumer group '" + topic + "' has no active members.");
        done.line(spaced("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"));
        done.line(spaced(topic, topic, 0, 3, 10, 7, "-", "-", "-"));
        done.line(spaced(topic, topic, 1, 10, 10, 0, "-", "-", "-"));
        tools.tool(GROUPS, "--list").ok().line(topic);
        tools.tool(GROUPS, "--describe", "--group", topic, "--members").ok().says("Consumer group '" + topic + "' has no active members.");
    }

    @Cases.Case static void describeAnActiveGroup(Toolbox tools) throws Exception {
        String topic = tools.topic("active", 2, 20);
        int node = tools.nodeId();
        try (Member member = new Member(tools, topic, topic)) {
            Toolbox.await("commits", () -> tools.tool(GROUPS, "--describe", "--group", topic).lines().stream().filter(l -> l.matches(spaced(topic, topic, "\\d", 10, 10, 0, "tools-member-\\S+", "/127.0.0.1", "tools-member"))).count() == 2);
            Toolbox.Done members = tools.tool(GROUPS, "--describe", "--group", topic, "--members").ok();
            members.line(spaced("GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"));
            members.line(spaced(topic, "tools-member-\\S+", "/127.0.0.1", "tools-member", 2));
            tools.tool(GROUPS, "--describe", "--group", topic, "--members", "--verbose").ok().line(".*" + topic + "[:(]0,1.*");
            Toolbox.Done state = tools.tool(GROUPS, "--describe", "--group", topic, "--state").ok();
            state.line(spaced("GROUP", "COORDINATOR \\(ID\\)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"));
            state.line(spaced(topic, "127.0.0.1:\\d+\\s+\\(" + node + "\\)", "range", "Stable", 1));
            tools.tool(GROUPS, "--list", "--state").ok().line(spaced(topic, "Stable"));
            tools.tool(GROUPS, "--list", "--state", "Stable").ok().line(spaced(topic, "Stable"));
            tools.tool(GROUPS, "--list", "--state", "Empty").ok().saysNot(topic + " ");
            tools.tool(GROUPS, "--list", "--type").ok().line(spaced(topic, "Classic"));
            tools.tool(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--to-earliest", "--execute")
                .says("Error: Assignments can only be reset if the group '" + topic + "' is inactive, but the current state is Stable.");
            tools.tool(GROUPS, "--delete", "--group", topic).says("GroupNotEmptyException");
            tools.tool(GROUPS, "--delete-offsets", "--group", topic, "--topic", topic).says("Encountered some partition-level error");
        }
    }

    @Cases.Case static void describeUnknown(Toolbox tools) throws Exception {
        String group = tools.name("unknown");
        tools.tool(GROUPS, "--describe", "--group", group).says("Group " + group + " not found.");
        tools.tool(GROUPS, "--delete", "--group", group).says("GroupIdNotFoundException");
        tools.tool(GROUPS, "--describe", "--all-groups").ok();
    }

    @Cases.Case static void delete(Toolbox tools) throws Exception {
        String topic = tools.topic("delete-group", 1, 5);
        commit(tools, topic, topic, 1);
        commit(tools, topic + "-b", topic, 1);
        tools.tool(GROUPS, "--delete", "--group", topic, "--group", topic + "-b").ok().line("Deletion of requested consumer groups \\(.*\\) was successful.");
        tools.tool(GROUPS, "--list").ok().saysNot(topic);
    }

    @Cases.Case static void deleteOffsets(Toolbox tools) throws Exception {
        String topic = tools.topic("delete-offsets", 2, 4);
        commit(tools, topic, topic, 1, 1);
        tools.tool(GROUPS, "--delete-offsets", "--group", topic, "--topic", topic + ":0").ok().says("Request succeeded for deleting offsets from group " + topic)
            .line(spaced("TOPIC", "PARTITION", "STATUS"));
        Toolbox.Done left = tools.tool(GROUPS, "--describe", "--group", topic).ok();
        left.line(spaced(topic, topic, 1, 1, 2, 1, "-", "-", "-"));
        Toolbox.same("only one is left", 1L, left.lines().stream().filter(l -> l.startsWith(topic)).count());
    }

    private static long[] reset(Toolbox tools, String topic, String... how) throws Exception {
        String[] what = Configs.with(new String[] {"--reset-offsets", "--group", topic}, how);
        Toolbox.Done done = tools.tool(GROUPS, Configs.with(what, "--execute")).ok();
        done.line(spaced("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"));
        long[] offsets = new long[2];
        for (int i = 0; i < 2; i++) {
            offsets[i] = Long.parseLong(done.line(spaced(topic, topic, i, "(\\d+)")).group(1));
            Toolbox.same("offset of partition " + i, offsets[i],
                tools.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, i)).offset());
        }
        return offsets;
    }

    private static void resets(Toolbox tools, String topic, long first, long second, String... how) throws Exception {
        long[] got = reset(tools, topic, how);
        Toolbox.same(String.join(" ", how), first + "," + second, got[0] + "," + got[1]);
    }

    @Cases.Case static void resetOffsets(Toolbox tools) throws Exception {
        String topic = tools.topic("reset", 2, 40);
        commit(tools, topic, topic, 7, 9);
        resets(tools, topic, 7, 9, "--topic", topic, "--to-current");
        resets(tools, topic, 5, 5, "--topic", topic, "--to-offset", "5");
        resets(tools, topic, 8, 8, "--topic", topic, "--shift-by", "3");
        resets(tools, topic, 6, 6, "--topic", topic, "--shift-by", "-2");
        resets(tools, topic, 20, 20, "--topic", topic, "--to-latest");
        resets(tools, topic, 0, 0, "--topic", topic, "--to-earliest");
        resets(tools, topic, 20, 20, "--topic", topic, "--shift-by", "1000");
        resets(tools, topic, 0, 0, "--topic", topic, "--by-duration", "P1D");
        resets(tools, topic, 20, 20, "--topic", topic, "--to-datetime", "2099-01-01T00:00:00.000");
        resets(tools, topic, 0, 0, "--topic", topic, "--to-datetime", "2020-01-01T00:00:00.000Z");
        resets(tools, topic, 0, 0, "--all-topics", "--to-earliest");
    }

    @Cases.Case static void resetOffsetsOfOnePartition(Toolbox tools) throws Exception {
        String topic = tools.topic("reset-one", 2, 20);
        commit(tools, topic, topic, 1, 2);
        Toolbox.Done done = tools.tool(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic + ":1", "--to-offset", "4", "--execute").ok();
        done.line(spaced(topic, topic, 1, 4)).groupCount();
        Toolbox.same("only one", 1L, done.lines().stream().filter(l -> l.contains(topic)).count());
    }

    @Cases.Case static void resetOffsetsAsADryRun(Toolbox tools) throws Exception {
        String topic = tools.topic("reset-dry", 2, 20);
        commit(tools, topic, topic, 1, 2);
        tools.tool(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--to-latest", "--dry-run").ok().line(spaced(topic, topic, 0, 10));
        tools.tool(GROUPS, "--describe", "--group", topic).ok().line(spaced(topic, topic, 0, 1, 10, 9, "-", "-", "-"));
    }

    @Cases.Case static void resetOffsetsOfANewGroup(Toolbox tools) throws Exception {
        String topic = tools.topic("reset-new", 2, 20);
        resets(tools, topic, 10, 10, "--topic", topic, "--to-latest");
    }

    @Cases.Case static void exportAndImport(Toolbox tools) throws Exception {
        String topic = tools.topic("export", 2, 20);
        commit(tools, topic, topic, 1, 2);
        Toolbox.Done exported = tools.tool(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--to-current", "--export", "--dry-run").ok();
        exported.line("\"?" + topic + "\"?,0,1");
        exported.line("\"?" + topic + "\"?,1,2");
        String file = tools.file("offsets.csv", topic + ",0,5\n" + topic + ",1,6\n");
        resets(tools, topic, 5, 6, "--from-file", file);
        Files.delete(Path.of(file));
    }

    @Cases.Case static void groupsOfAllKinds(Toolbox tools) throws Exception {
        String topic = tools.topic("kinds", 2, 4);
        commit(tools, topic + "-simple", topic, 1, 1);
        try (Member member = new Member(tools, topic, topic)) {
            Toolbox.Done all = tools.tool("GroupsCommand", "--list").ok();
            all.line(spaced("GROUP", "TYPE", "PROTOCOL"));
            all.line(spaced(topic, "Classic", "consumer"));
            all.line(spaced(topic + "-simple", "Classic"));
            tools.tool("GroupsCommand", "--list", "--group-type", "classic").ok().line(spaced(topic, "Classic", "consumer"));
            tools.tool("GroupsCommand", "--list", "--group-type", "share").ok().saysNot(topic);
            tools.tool("GroupsCommand", "--list", "--protocol", "connect").ok().saysNot(topic);
            tools.tool("GroupsCommand", "--list", "--consumer").ok().line(spaced(topic, "Classic", "consumer"));
        }
    }

    @Cases.Case static void resetAStreamsApplication(Toolbox tools) throws Exception {
        String topic = tools.topic("streams", 1, 10);
        commit(tools, topic, topic, 6);
        tools.tool("StreamsResetter", "--application-id", topic, "--input-topics", topic).ok().says("Reset-offsets for input topics [" + topic + "]");
        Toolbox.same("offset", 0L, tools.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, 0)).offset());
    }
}
