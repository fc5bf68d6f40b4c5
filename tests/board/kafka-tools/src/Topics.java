import java.util.List;

/** kafka-topics. */
final class Topics {
    private static final String TOPICS = "TopicCommand";

    private Topics() {
    }

    @Cases.Case static void createDescribeDelete(Toolbox tools) throws Exception {
        String topic = tools.name("create");
        tools.tool(TOPICS, "--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=1234567")
            .ok().only("Created topic " + topic + ".");
        Toolbox.Done described = tools.tool(TOPICS, "--describe", "--topic", topic).ok();
        described.line("Topic: " + topic + "\tTopicId: [A-Za-z0-9_-]{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: .*retention.ms=1234567.*");
        int node = tools.nodeId();
        for (int partition = 0; partition < 3; partition++) {
            described.line(String.format("\tTopic: %s\tPartition: %d\tLeader: %d\tReplicas: %d\tIsr: %d\tElr: \tLastKnownElr: ", topic, partition, node, node, node));
        }
        Toolbox.same("lines", 4, described.lines().size());
        tools.tool(TOPICS, "--delete", "--topic", topic).ok().only("");
        Toolbox.await("deletion", () -> !tools.tool(TOPICS, "--list").lines().contains(topic));
    }

    /** What --describe prints as configs tells which settings are not defaults. */
    @Cases.Case static void configsOfAPlainTopic(Toolbox tools) throws Exception {
        String topic = tools.topic("plain", 1, 0);
        tools.tool(TOPICS, "--describe", "--topic", topic).ok()
            .line("Topic: " + topic + "\tTopicId: .*\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: min.insync.replicas=1");
    }

    @Cases.Case static void createTwice(Toolbox tools) throws Exception {
        String topic = tools.topic("twice", 1, 0);
        tools.tool(TOPICS, "--create", "--topic", topic).exits(1).says("Error while executing topic command : Topic '" + topic + "' already exists.");
        tools.tool(TOPICS, "--create", "--topic", topic, "--if-not-exists").ok();
    }

    @Cases.Case static void createWithDefaults(Toolbox tools) throws Exception {
        String topic = tools.name("defaults");
        tools.tool(TOPICS, "--create", "--topic", topic).ok();
        tools.tool(TOPICS, "--describe", "--topic", topic).line(".*PartitionCount: 4\tReplicationFactor: 1.*");
    }

    @Cases.Case static void createWithAssignment(Toolbox tools) throws Exception {
        String topic = tools.name("assignment");
        int node = tools.nodeId();
        tools.tool(TOPICS, "--create", "--topic", topic, "--replica-assignment", node + "," + node).ok();
        tools.tool(TOPICS, "--describe", "--topic", topic).line(".*PartitionCount: 2\t.*");
    }

    @Cases.Case static void createWrongly(Toolbox tools) throws Exception {
        String topic = tools.name("wrong");
        tools.tool(TOPICS, "--create", "--topic", topic, "--replication-factor", "3").exits(1).says("Error while executing topic command : Unable to replicate the partition 3 time(s): "
            + "The target replication factor of 3 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.");
        tools.tool(TOPICS, "--create", "--topic", topic, "--partitions", "0").exits(1);
        tools.tool(TOPICS, "--create", "--topic", topic, "--config", "retention.ms=soon").exits(1);
        tools.tool(TOPICS, "--create", "--topic", topic, "--config", "no.such.config=1").exits(1);
        tools.tool(TOPICS, "--create", "--topic", "no topic!").exits(1).says("Topic name is invalid: 'no topic!'");
        tools.tool(TOPICS, "--list").saysNot(topic);
    }

    @Cases.Case static void warnsOfColliding(Toolbox tools) throws Exception {
        String topic = tools.name("a.b_c");
        tools.tool(TOPICS, "--create", "--topic", topic).ok().says("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide.");
        tools.tool(TOPICS, "--create", "--topic", topic.replace('.', '_')).exits(1).says("collides with existing topic");
    }

    @Cases.Case static void list(Toolbox tools) throws Exception {
        String topic = tools.topic("list", 1, 0);
        Toolbox.Done all = tools.tool(TOPICS, "--list").ok();
        Toolbox.same("listed once", 1L, all.lines().stream().filter(topic::equals).count());
        tools.tool(TOPICS, "--list", "--topic", "tools-list-.*").ok().line(topic);
        tools.tool(TOPICS, "--list", "--exclude-internal").ok().saysNot("__consumer_offsets");
        List<String> sorted = all.lines().stream().sorted().toList();
        Toolbox.same("order", sorted, all.lines());
    }

    @Cases.Case static void describeUnknown(Toolbox tools) throws Exception {
        String topic = tools.name("unknown");
        tools.tool(TOPICS, "--describe", "--topic", topic).exits(1).says("Error while executing topic command : Topic '" + topic + "' does not exist as expected");
        tools.tool(TOPICS, "--describe", "--topic", topic, "--if-exists").ok();
        tools.tool(TOPICS, "--delete", "--topic", topic).exits(1).says("does not exist as expected");
        tools.tool(TOPICS, "--delete", "--topic", topic, "--if-exists").ok();
        tools.tool(TOPICS, "--alter", "--topic", topic, "--partitions", "3").exits(1).says("does not exist as expected");
        tools.tool(TOPICS, "--describe", "--topic-id", "AAAAAAAAAAAAAAAAAAAAAQ").exits(1).says("does not exist as expected");
    }

    @Cases.Case static void describeById(Toolbox tools) throws Exception {
        String topic = tools.topic("by-id", 1, 0);
        String id = tools.tool(TOPICS, "--describe", "--topic", topic).line(".*TopicId: (\\S+)\t.*").group(1);
        tools.tool(TOPICS, "--describe", "--topic-id", id).ok().says("Topic: " + topic);
    }

    @Cases.Case static void describeFiltered(Toolbox tools) throws Exception {
        String topic = tools.topic("filtered", 1, 0);
        String other = tools.name("overridden");
        tools.tool(TOPICS, "--create", "--topic", other, "--config", "segment.ms=777777").ok();
        tools.tool(TOPICS, "--describe", "--topics-with-overrides").ok().says(other);
        for (String filter : new String[] {"--unavailable-partitions", "--under-replicated-partitions", "--under-min-isr-partitions"}) {
            tools.tool(TOPICS, "--describe", filter).ok().saysNot(topic);
        }
        tools.tool(TOPICS, "--describe", "--at-min-isr-partitions", "--topic", topic).ok().says(topic);
    }

    @Cases.Case static void alterPartitions(Toolbox tools) throws Exception {
        String topic = tools.topic("alter", 1, 0);
        tools.tool(TOPICS, "--alter", "--topic", topic, "--partitions", "3").ok();
        Toolbox.await("three partitions", () -> tools.tool(TOPICS, "--describe", "--topic", topic).out.contains("PartitionCount: 3"));
        tools.tool(TOPICS, "--alter", "--topic", topic, "--partitions", "2").exits(1)
            .says("Error while executing topic command : The topic " + topic + " currently has 3 partition(s); 2 would not be an increase.");
        tools.tool(TOPICS, "--alter", "--topic", topic, "--partitions", "3").exits(1).says("Topic already has 3 partition(s).");
    }

    @Cases.Case static void deleteByPattern(Toolbox tools) throws Exception {
        String one = tools.topic("pattern-one", 1, 0);
        String two = tools.topic("pattern-two", 1, 0);
        tools.tool(TOPICS, "--delete", "--topic", "tools-pattern-.*").ok();
        Toolbox.await("deletion", () -> tools.tool(TOPICS, "--list").lines().stream().noneMatch(t -> t.equals(one) || t.equals(two)));
    }
}
