import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The admin client's requests about topics, partitions and records. */
final class Topics {
    private Topics() {
    }

    private static Object create(World world, NewTopic topic) throws Exception {
        return world.admin.createTopics(Collections.singleton(topic)).all().get();
    }

    @Board.Case static void createAndDescribe(World world) throws Exception {
        String name = world.topic("create", 3, "retention.ms", "1234567");
        TopicDescription topic = Api.describeTopic(world.admin, name);
        Node node = world.admin.describeCluster().nodes().get().iterator().next();
        World.same("name", name, topic.name());
        World.same("internal", false, topic.isInternal());
        World.same("partitions", 3, topic.partitions().size());
        topic.partitions().forEach(partition -> {
            World.same("leader", node.id(), partition.leader().id());
            World.same("replicas", Collections.singletonList(node), partition.replicas());
            World.same("in sync", Collections.singletonList(node), partition.isr());
        });
    }

    @Board.Case static void createTwice(World world) throws Exception {
        String name = world.topic("twice", 1);
        World.fails(TopicExistsException.class, () -> create(world, new NewTopic(name, 1, (short) 1)));
    }

    @Board.Case static void validateOnlyCreatesNothing(World world) throws Exception {
        String name = world.name("validate");
        CreateTopicsOptions dry = new CreateTopicsOptions().validateOnly(true);
        world.admin.createTopics(Collections.singleton(new NewTopic(name, 1, (short) 1)), dry).all().get();
        World.fails(InvalidPartitionsException.class, () -> world.admin.createTopics(Collections.singleton(new NewTopic(name, 0, (short) 1)), dry).all().get());
        World.check("it is not there", !world.admin.listTopics().names().get().contains(name));
    }

    @Board.Case static void createWrongly(World world) throws Exception {
        String name = world.name("wrong");
        World.fails(InvalidPartitionsException.class, () -> create(world, new NewTopic(name, 0, (short) 1)));
        World.fails(InvalidReplicationFactorException.class, () -> create(world, new NewTopic(name, 1, (short) 99)));
        World.fails(InvalidReplicationFactorException.class, () -> create(world, new NewTopic(name, 1, (short) 0)));
        World.fails(InvalidConfigurationException.class, () -> create(world, new NewTopic(name, 1, (short) 1).configs(World.map("retention.ms", "soon"))));
        World.fails(InvalidConfigurationException.class, () -> create(world, new NewTopic(name, 1, (short) 1).configs(World.map("no.such.config", "1"))));
        World.fails(InvalidConfigurationException.class, () -> create(world, new NewTopic(name, 1, (short) 1).configs(World.map("cleanup.policy", "burn"))));
        World.fails(InvalidTopicException.class, () -> create(world, new NewTopic("no topic!", 1, (short) 1)));
        World.fails(InvalidTopicException.class, () -> create(world, new NewTopic("..", 1, (short) 1)));
        World.fails(InvalidTopicException.class, () -> create(world, new NewTopic("", 1, (short) 1)));
        char[] longName = new char[250];
        Arrays.fill(longName, 'a');
        World.fails(InvalidTopicException.class, () -> create(world, new NewTopic(new String(longName), 1, (short) 1)));
        World.check("none is there", !world.admin.listTopics().names().get().contains(name));
    }

    @Board.Case static void createCollidingNames(World world) throws Exception {
        String name = world.topic("dots.and_scores", 1);
        World.fails(InvalidTopicException.class, () -> create(world, new NewTopic(name.replace('.', '_'), 1, (short) 1)));
    }

    /** One bad topic does not keep the others from being created. */
    @Board.Case static void createSomeWrongly(World world) throws Exception {
        String good = world.name("good");
        String bad = world.name("bad");
        CreateTopicsResult result = world.admin.createTopics(Arrays.asList(new NewTopic(good, 1, (short) 1), new NewTopic(bad, -5, (short) 1)));
        result.values().get(good).get();
        World.fails(InvalidPartitionsException.class, () -> result.values().get(bad).get());
        World.await("the good one", () -> world.admin.listTopics().names().get().contains(good));
    }

    @Board.Case static void createWithAssignments(World world) throws Exception {
        int node = world.admin.describeCluster().nodes().get().iterator().next().id();
        String name = world.name("assigned");
        Map<Integer, List<Integer>> replicas = new HashMap<>();
        replicas.put(0, Collections.singletonList(node));
        replicas.put(1, Collections.singletonList(node));
        create(world, new NewTopic(name, replicas));
        World.await("the topic", () -> world.admin.listTopics().names().get().contains(name));
        World.same("partitions", 2, Api.describeTopic(world.admin, name).partitions().size());
        String bad = world.name("misassigned");
        World.fails(InvalidReplicaAssignmentException.class, () -> create(world, new NewTopic(bad, Collections.singletonMap(0, Arrays.asList(node, node)))));
        World.fails(InvalidReplicaAssignmentException.class, () -> create(world, new NewTopic(bad, Collections.singletonMap(0, Collections.singletonList(node + 77)))));
        World.fails(InvalidReplicaAssignmentException.class, () -> create(world, new NewTopic(bad, Collections.singletonMap(1, Collections.singletonList(node)))));
    }

    @Board.Case static void deleteTopics(World world) throws Exception {
        String name = world.topic("delete", 2);
        world.fill(name, 10);
        world.admin.deleteTopics(Collections.singleton(name)).all().get();
        World.await("the deletion", () -> !world.admin.listTopics().names().get().contains(name));
        World.fails(UnknownTopicOrPartitionException.class, () -> Api.describeTopic(world.admin, name));
        World.fails(UnknownTopicOrPartitionException.class, () -> world.admin.deleteTopics(Collections.singleton(name)).all().get());
    }

    @Board.Case static void describeUnknownTopic(World world) throws Exception {
        String name = world.name("unknown");
        World.fails(UnknownTopicOrPartitionException.class, () -> Api.describeTopic(world.admin, name));
        World.check("asking does not create it", !world.admin.listTopics().names().get().contains(name));
        World.fails(InvalidTopicException.class, () -> Api.describeTopic(world.admin, ""));
    }

    @Board.Case static void listWithAndWithoutInternal(World world) throws Exception {
        String name = world.topic("internal", 1);
        world.fill(name, 1);
        // A commit makes sure that there is an internal topic.
        try (org.apache.kafka.clients.consumer.KafkaConsumer<String, String> consumer = world.consumer(name)) {
            consumer.assign(world.partitions(name));
            World.take(consumer, 1);
            consumer.commitSync();
        }
        World.check("not listed", !world.admin.listTopics().names().get().contains("__consumer_offsets"));
        Map<String, org.apache.kafka.clients.admin.TopicListing> all = world.admin.listTopics(new ListTopicsOptions().listInternal(true)).namesToListings().get();
        World.same("internal", true, all.get("__consumer_offsets").isInternal());
        World.same("internal", false, all.get(name).isInternal());
        World.check("described as internal", Api.describeTopic(world.admin, "__consumer_offsets").isInternal());
    }

    @Board.Case static void createPartitions(World world) throws Exception {
        String name = world.topic("partitions", 1);
        world.admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(3)), new CreatePartitionsOptions().validateOnly(true)).all().get();
        World.same("partitions after the dry run", 1, Api.describeTopic(world.admin, name).partitions().size());
        world.admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(3))).all().get();
        World.await("three partitions", () -> Api.describeTopic(world.admin, name).partitions().size() == 3);
        World.fails(InvalidPartitionsException.class, () -> world.admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(2))).all().get());
        World.fails(InvalidPartitionsException.class, () -> world.admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(3))).all().get());
        World.fails(UnknownTopicOrPartitionException.class, () -> world.admin.createPartitions(Collections.singletonMap(world.name("nothing"), NewPartitions.increaseTo(3))).all().get());
        int node = world.admin.describeCluster().nodes().get().iterator().next().id();
        World.fails(InvalidReplicaAssignmentException.class, () -> world.admin.createPartitions(Collections.singletonMap(name,
            NewPartitions.increaseTo(5, Collections.singletonList(Collections.singletonList(node))))).all().get());
        world.admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(4, Collections.singletonList(Collections.singletonList(node))))).all().get();
        World.await("four partitions", () -> Api.describeTopic(world.admin, name).partitions().size() == 4);
    }

    @Board.Case static void deleteRecords(World world) throws Exception {
        String name = world.topic("records", 1);
        world.fill(name, 50);
        TopicPartition partition = new TopicPartition(name, 0);
        World.same("low watermark", 20L, world.admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(20)))
            .lowWatermarks().get(partition).get().lowWatermark());
        World.same("below it", 20L, world.admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(5)))
            .lowWatermarks().get(partition).get().lowWatermark());
        World.same("first record", 20L, world.read(name, 30).get(0).offset());
        World.fails(OffsetOutOfRangeException.class, () -> world.admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(51))).all().get());
        World.same("all of them", 50L, world.admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(-1)))
            .lowWatermarks().get(partition).get().lowWatermark());
    }

    @Board.Case static void manyTopicsAtOnce(World world) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            names.add(world.name("many-" + i));
            topics.add(new NewTopic(names.get(i), 2, (short) 1));
        }
        world.admin.createTopics(topics).all().get();
        World.await("all of them", () -> world.admin.listTopics().names().get().containsAll(names));
        world.admin.deleteTopics(names).all().get();
        World.await("none of them", () -> Collections.disjoint(world.admin.listTopics().names().get(), names));
    }

    @Board.Case static void manyClientsCreateTheSameTopic(World world) throws Exception {
        String name = world.name("race");
        int created = 0;
        List<Future<?>> tries = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            tries.add(world.admin.createTopics(Collections.singleton(new NewTopic(name, 1, (short) 1))).all());
        }
        for (Future<?> each : tries) {
            try {
                each.get();
                created++;
            } catch (ExecutionException reason) {
                World.same("kind of error", TopicExistsException.class, reason.getCause().getClass());
            }
        }
        World.same("successes", 1, created);
    }
}
