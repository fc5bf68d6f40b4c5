import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;

/** What the admin client learnt with 4.x. */
final class AdminNewest {
    private AdminNewest() {
    }

    @Board.Case static void listGroups(World world) throws Exception {
        String topic = world.topic("list-groups", 4);
        try (Groups.Member member = new Groups.Member(world.consumer(topic), topic)) {
            Groups.balanced(member);
            World.await("the group, stable", () -> listing(world, topic, new ListGroupsOptions()).groupState().get() == GroupState.STABLE);
            GroupListing group = listing(world, topic, new ListGroupsOptions().withTypes(Collections.singleton(GroupType.CLASSIC)));
            World.same("type", GroupType.CLASSIC, group.type().get());
            World.same("protocol", "consumer", group.protocol());
            World.same("among other types", null, listing(world, topic, new ListGroupsOptions().withTypes(Collections.singleton(GroupType.CONSUMER))));
            World.same("among other protocols", null, listing(world, topic, new ListGroupsOptions().withProtocolTypes(Collections.singleton("connect"))));
            World.same("among other states", null, listing(world, topic, new ListGroupsOptions().inGroupStates(Collections.singleton(GroupState.EMPTY))));
        }
    }

    private static GroupListing listing(World world, String group, ListGroupsOptions options) throws Exception {
        return world.admin.listGroups(options).all().get().stream().filter(g -> g.groupId().equals(group)).findFirst().orElse(null);
    }

    @Board.Case static void describeClassicGroups(World world) throws Exception {
        String topic = world.topic("classic", 4);
        try (Groups.Member member = new Groups.Member(world.consumer(topic), topic)) {
            Groups.balanced(member);
            World.await("a stable group", () -> classic(world, topic).state() == ClassicGroupState.STABLE);
            World.same("protocol", "consumer", classic(world, topic).protocol());
            World.same("members", 1, classic(world, topic).members().size());
        }
        World.fails(GroupIdNotFoundException.class, () -> classic(world, world.name("no-group")));
    }

    private static ClassicGroupDescription classic(World world, String group) throws Exception {
        return world.admin.describeClassicGroups(Collections.singleton(group)).all().get().get(group);
    }

    @Board.Case static void describeUnknownGroup(World world) throws Exception {
        World.fails(GroupIdNotFoundException.class, () -> GroupAdmin.describe(world, world.name("no-group")));
    }

    @Board.Case static void listConfigResources(World world) throws Exception {
        String topic = world.topic("resources", 1);
        Set<ConfigResource> topics = Set.copyOf(world.admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions()).all().get());
        World.check("the topic", topics.contains(Configs.topic(topic)));
        World.check("only topics", topics.stream().allMatch(r -> r.type() == ConfigResource.Type.TOPIC));
        Set<ConfigResource.Type> types = world.admin.listConfigResources().all().get().stream().map(ConfigResource::type).collect(Collectors.toSet());
        World.check("topics and brokers: " + types, types.contains(ConfigResource.Type.TOPIC) && types.contains(ConfigResource.Type.BROKER));
    }

    @Board.Case static void configOfAGroup(World world) throws Exception {
        String group = world.name("group-config");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        World.same("default", "45000", Configs.describe(world, resource).get("consumer.session.timeout.ms").value());
        world.admin.incrementalAlterConfigs(Map.of(resource, Set.of(new AlterConfigOp(new ConfigEntry("consumer.session.timeout.ms", "50000"), AlterConfigOp.OpType.SET)))).all().get();
        World.await("the new value", () -> Configs.describe(world, resource).get("consumer.session.timeout.ms").value().equals("50000"));
        World.same("source", ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG, Configs.describe(world, resource).get("consumer.session.timeout.ms").source());
        World.check("among the resources", world.admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions()).all().get().contains(resource));
        world.admin.incrementalAlterConfigs(Map.of(resource, Set.of(new AlterConfigOp(new ConfigEntry("consumer.session.timeout.ms", ""), AlterConfigOp.OpType.DELETE)))).all().get();
    }

    @Board.Case static void resetByDuration(World world) throws Exception {
        String topic = world.topic("by-duration", 1);
        long now = System.currentTimeMillis();
        try (var producer = world.producer()) {
            for (int i = 0; i < 10; i++) {
                producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(topic, 0, now - (10 - i) * 60_000L, "k", "v")).get();
            }
        }
        try (var consumer = world.consumer(null, "auto.offset.reset", "by_duration:PT4M30S")) {
            consumer.assign(Collections.singleton(new TopicPartition(topic, 0)));
            World.same("first record", 6L, World.take(consumer, 4).get(0).offset());
        }
    }

    @Board.Case static void fencedBrokersToo(World world) throws Exception {
        java.util.Collection<org.apache.kafka.common.Node> nodes = world.admin.describeCluster(new org.apache.kafka.clients.admin.DescribeClusterOptions().includeFencedBrokers(true)).nodes().get();
        World.same("nodes", 1, nodes.size());
        World.same("fenced", false, nodes.iterator().next().isFenced());
    }
}
