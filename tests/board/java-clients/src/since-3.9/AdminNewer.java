import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics, configs and offsets with what came after 2.1. */
final class AdminNewer {
    private AdminNewer() {
    }

    private static AlterConfigOp op(String key, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(key, value), type);
    }

    private static Object alter(World world, ConfigResource resource, AlterConfigOp... ops) throws Exception {
        return world.admin.incrementalAlterConfigs(Collections.singletonMap(resource, (Collection<AlterConfigOp>) Arrays.asList(ops))).all().get();
    }

    private static String value(World world, ConfigResource resource, String key) throws Exception {
        return Configs.describe(world, resource).get(key).value();
    }

    private static void awaitValue(World world, ConfigResource resource, String key, String wanted) throws Exception {
        World.await(key + "=" + wanted, () -> wanted.equals(value(world, resource, key)));
    }

    @Board.Case static void incrementalAlterOfATopic(World world) throws Exception {
        ConfigResource resource = Configs.topic(world.topic("incremental", 1, "retention.ms", "5000000"));
        alter(world, resource, op("segment.ms", "777777", AlterConfigOp.OpType.SET));
        awaitValue(world, resource, "segment.ms", "777777");
        World.same("the other stays", "5000000", value(world, resource, "retention.ms"));
        alter(world, resource, op("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND));
        awaitValue(world, resource, "cleanup.policy", "delete,compact");
        alter(world, resource, op("cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT));
        awaitValue(world, resource, "cleanup.policy", "compact");
        alter(world, resource, op("retention.ms", "", AlterConfigOp.OpType.DELETE), op("segment.ms", "", AlterConfigOp.OpType.DELETE));
        awaitValue(world, resource, "retention.ms", "604800000");
    }

    @Board.Case static void incrementalAlterWrongly(World world) throws Exception {
        ConfigResource resource = Configs.topic(world.topic("incremental-wrong", 1));
        World.fails(InvalidConfigurationException.class, () -> alter(world, resource, op("segment.ms", "soon", AlterConfigOp.OpType.SET)));
        World.fails(InvalidConfigurationException.class, () -> alter(world, resource, op("segment.ms", "1", AlterConfigOp.OpType.APPEND)));
        World.fails(InvalidConfigurationException.class, () -> alter(world, resource, op("no.such.config", "1", AlterConfigOp.OpType.SET)));
        World.fails(InvalidRequestException.class, () -> alter(world, resource, op("segment.ms", "1000", AlterConfigOp.OpType.SET), op("segment.ms", "2000", AlterConfigOp.OpType.SET)));
        World.fails(UnknownTopicOrPartitionException.class, () -> alter(world, Configs.topic(world.name("nothing")), op("segment.ms", "1000", AlterConfigOp.OpType.SET)));
        World.same("unchanged", "604800000", value(world, resource, "segment.ms"));
    }

    @Board.Case static void incrementalAlterAsADryRun(World world) throws Exception {
        ConfigResource resource = Configs.topic(world.topic("incremental-dry", 1));
        Collection<AlterConfigOp> ops = Collections.singleton(op("segment.ms", "777777", AlterConfigOp.OpType.SET));
        world.admin.incrementalAlterConfigs(Collections.singletonMap(resource, ops), new AlterConfigsOptions().validateOnly(true)).all().get();
        World.same("unchanged", "604800000", value(world, resource, "segment.ms"));
    }

    @Board.Case static void incrementalAlterOfABroker(World world) throws Exception {
        ConfigResource one = Configs.broker(world);
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        alter(world, all, op("log.cleaner.threads", "2", AlterConfigOp.OpType.SET));
        awaitValue(world, one, "log.cleaner.threads", "2");
        World.same("source", ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, Configs.describe(world, one).get("log.cleaner.threads").source());
        alter(world, one, op("log.cleaner.threads", "1", AlterConfigOp.OpType.SET));
        awaitValue(world, one, "log.cleaner.threads", "1");
        World.same("source", ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG, Configs.describe(world, one).get("log.cleaner.threads").source());
        alter(world, one, op("log.cleaner.threads", "", AlterConfigOp.OpType.DELETE));
        awaitValue(world, one, "log.cleaner.threads", "2");
        alter(world, all, op("log.cleaner.threads", "", AlterConfigOp.OpType.DELETE));
        awaitValue(world, one, "log.cleaner.threads", "1");
        World.fails(InvalidRequestException.class, () -> alter(world, one, op("node.id", "7", AlterConfigOp.OpType.SET)));
        World.fails(InvalidRequestException.class, () -> alter(world, one, op("log.cleaner.threads", "many", AlterConfigOp.OpType.SET)));
    }

    @Board.Case static void describeConfigsWithDocumentation(World world) throws Exception {
        ConfigResource resource = Configs.topic(world.topic("documented", 1));
        Config config = world.admin.describeConfigs(Collections.singleton(resource), new DescribeConfigsOptions().includeDocumentation(true)).all().get().get(resource);
        World.check("documentation", config.get("retention.ms").documentation().length() > 20);
        World.same("type", ConfigEntry.ConfigType.LONG, config.get("retention.ms").type());
        World.same("type", ConfigEntry.ConfigType.LIST, config.get("cleanup.policy").type());
        World.same("no documentation unless asked", null, Configs.describe(world, resource).get("retention.ms").documentation());
    }

    @Board.Case static void describeConfigsOfTheLogger(World world) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER_LOGGER, Configs.broker(world).name());
        Config config = world.admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
        World.check("a root logger", config.get("root") != null);
    }

    @Board.Case static void creationTellsWhatWasMade(World world) throws Exception {
        String name = world.name("told");
        CreateTopicsResult made = world.admin.createTopics(Collections.singleton(new NewTopic(name, 3, (short) 1).configs(World.map("retention.ms", "1234567"))));
        Uuid id = made.topicId(name).get();
        World.same("partitions", 3, made.numPartitions(name).get());
        World.same("replication factor", 1, made.replicationFactor(name).get());
        World.same("config", "1234567", made.config(name).get().get("retention.ms").value());
        World.await("the topic", () -> world.admin.listTopics().names().get().contains(name));
        World.same("topic id", id, Api.describeTopic(world.admin, name).topicId());
    }

    @Board.Case static void defaultsOfTheBroker(World world) throws Exception {
        String name = world.name("defaults");
        CreateTopicsResult made = world.admin.createTopics(Collections.singleton(new NewTopic(name, java.util.Optional.empty(), java.util.Optional.empty())));
        int wanted = Integer.parseInt(value(world, Configs.broker(world), "num.partitions"));
        World.same("partitions", wanted, made.numPartitions(name).get());
    }

    @Board.Case static void topicsById(World world) throws Exception {
        String name = world.topic("by-id", 2);
        Uuid id = Api.describeTopic(world.admin, name).topicId();
        TopicDescription described = world.admin.describeTopics(TopicCollection.ofTopicIds(Collections.singleton(id))).allTopicIds().get().get(id);
        World.same("name", name, described.name());
        Uuid unknown = Uuid.randomUuid();
        World.fails(UnknownTopicIdException.class, () -> world.admin.describeTopics(TopicCollection.ofTopicIds(Collections.singleton(unknown))).allTopicIds().get());
        World.fails(UnknownTopicIdException.class, () -> world.admin.deleteTopics(TopicCollection.ofTopicIds(Collections.singleton(unknown))).all().get());
        world.admin.deleteTopics(TopicCollection.ofTopicIds(Collections.singleton(id))).all().get();
        World.await("the deletion", () -> !world.admin.listTopics().names().get().contains(name));
        String again = world.topic("by-id", 2);
        World.check("a new id", !Api.describeTopic(world.admin, again).topicId().equals(id));
    }

    /** Pages of DescribeTopicPartitions. */
    @Board.Case static void describeInPages(World world) throws Exception {
        String big = world.topic("pages", 25);
        String small = world.topic("pages-small", 1);
        Map<String, TopicDescription> got = world.admin.describeTopics(Arrays.asList(big, small), new DescribeTopicsOptions().partitionSizeLimitPerResponse(7)).allTopicNames().get();
        World.same("partitions", 25, got.get(big).partitions().size());
        World.same("partitions", 1, got.get(small).partitions().size());
    }

    @Board.Case static void authorizedOperations(World world) throws Exception {
        String name = world.topic("operations", 1);
        TopicDescription topic = world.admin.describeTopics(Collections.singleton(name), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames().get().get(name);
        List<String> operations = new ArrayList<>();
        topic.authorizedOperations().forEach(each -> operations.add(each.name()));
        Collections.sort(operations);
        World.same("operations on a topic", Arrays.asList("ALTER", "ALTER_CONFIGS", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE"), operations);
        World.same("none unless asked", null, Api.describeTopic(world.admin, name).authorizedOperations());
        List<String> cluster = new ArrayList<>();
        world.admin.describeCluster(new org.apache.kafka.clients.admin.DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations().get().forEach(each -> cluster.add(each.name()));
        Collections.sort(cluster);
        World.same("operations on the cluster", Arrays.asList("ALTER", "ALTER_CONFIGS", "CLUSTER_ACTION", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "IDEMPOTENT_WRITE"), cluster);
    }

    private static ListOffsetsResultInfo offset(World world, TopicPartition partition, OffsetSpec spec) throws Exception {
        return world.admin.listOffsets(Collections.singletonMap(partition, spec)).partitionResult(partition).get();
    }

    @Board.Case static void listOffsets(World world) throws Exception {
        String name = world.topic("list-offsets", 1);
        TopicPartition partition = new TopicPartition(name, 0);
        World.same("largest time of nothing", -1L, offset(world, partition, OffsetSpec.maxTimestamp()).offset());
        try (KafkaProducer<String, String> producer = world.producer("linger.ms", "0")) {
            long[] times = {1_700_000_000_000L, 1_700_000_005_000L, 1_700_000_002_000L};
            for (long time : times) {
                producer.send(new ProducerRecord<>(name, 0, time, "k", "v")).get();
            }
        }
        World.same("earliest", 0L, offset(world, partition, OffsetSpec.earliest()).offset());
        World.same("latest", 3L, offset(world, partition, OffsetSpec.latest()).offset());
        ListOffsetsResultInfo largest = offset(world, partition, OffsetSpec.maxTimestamp());
        World.same("largest time", 1L, largest.offset());
        World.same("its time", 1_700_000_005_000L, largest.timestamp());
        World.same("leader epoch", 0, largest.leaderEpoch().get());
        World.same("by time", 1L, offset(world, partition, OffsetSpec.forTimestamp(1_700_000_000_001L)).offset());
        World.same("after all", -1L, offset(world, partition, OffsetSpec.forTimestamp(1_800_000_000_000L)).offset());
        World.same("earliest on this machine", 0L, offset(world, partition, OffsetSpec.earliestLocal()).offset());
        World.same("latest on other machines", -1L, offset(world, partition, OffsetSpec.latestTiered()).offset());
    }

    @Board.Case static void describeProducers(World world) throws Exception {
        String name = world.topic("producers", 1);
        TopicPartition partition = new TopicPartition(name, 0);
        world.fill(name, 40, "enable.idempotence", "true", "batch.size", "1000", "linger.ms", "0");
        List<ProducerState> active = world.admin.describeProducers(Collections.singleton(partition)).all().get().get(partition).activeProducers();
        World.same("producers", 1, active.size());
        ProducerState one = active.get(0);
        World.check("producer id", one.producerId() >= 0);
        World.same("epoch", 0, one.producerEpoch());
        World.same("last sequence", 39, one.lastSequence());
        World.same("no transaction", false, one.currentTransactionStartOffset().isPresent());
        World.check("time of the last record", Math.abs(one.lastTimestamp() - System.currentTimeMillis()) < 60_000);
    }
}
