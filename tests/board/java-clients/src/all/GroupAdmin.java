import java.util.Collections;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;

/** The admin client's requests about groups. */
final class GroupAdmin {
    private GroupAdmin() {
    }

    static ConsumerGroupDescription describe(World world, String group) throws Exception {
        return world.admin.describeConsumerGroups(Collections.singleton(group)).all().get().get(group);
    }

    @Board.Case static void describeMembers(World world) throws Exception {
        String topic = world.topic("members", 4);
        try (Groups.Member member = new Groups.Member(world.consumer(topic, "client.id", "a-client"), topic)) {
            Groups.balanced(member);
            World.await("a stable group", () -> Api.groupState(describe(world, topic)).equals("Stable"));
            ConsumerGroupDescription group = describe(world, topic);
            World.same("assignor", "range", group.partitionAssignor());
            World.same("simple", false, group.isSimpleConsumerGroup());
            World.same("coordinator", world.admin.describeCluster().nodes().get().iterator().next(), group.coordinator());
            World.same("members", 1, group.members().size());
            MemberDescription one = group.members().iterator().next();
            World.same("client id", "a-client", one.clientId());
            World.same("host", "/127.0.0.1", one.host());
            World.check("member id", one.consumerId().startsWith("a-client-"));
            World.same("assignment", 4, one.assignment().topicPartitions().size());
            World.fails(GroupNotEmptyException.class, () -> world.admin.deleteConsumerGroups(Collections.singleton(topic)).all().get());
        }
        World.await("an empty group", () -> {
            try {
                return !Api.groupState(describe(world, topic)).equals("Stable");
            } catch (ExecutionException reason) {
                // A group without members and offsets is forgotten at the coordinator's next round.
                return reason.getCause() instanceof GroupIdNotFoundException;
            }
        });
    }

    @Board.Case static void listOffsetsAndDelete(World world) throws Exception {
        String topic = world.topic("group-offsets", 2);
        TopicPartition partition = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic)) {
            consumer.assign(Collections.singleton(partition));
            consumer.commitSync(Collections.singletonMap(partition, new OffsetAndMetadata(5, "note")));
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = world.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get();
        World.same("partitions", Collections.singleton(partition), offsets.keySet());
        World.same("offset", 5L, offsets.get(partition).offset());
        World.same("metadata", "note", offsets.get(partition).metadata());
        World.check("listed", world.admin.listConsumerGroups().valid().get().stream().map(g -> g.groupId()).collect(Collectors.toSet()).contains(topic));
        World.same("simple", true, world.admin.listConsumerGroups().valid().get().stream().filter(g -> g.groupId().equals(topic)).findFirst().get().isSimpleConsumerGroup());
        World.same("state", "Empty", Api.groupState(describe(world, topic)));
        world.admin.deleteConsumerGroups(Collections.singleton(topic)).all().get();
        World.check("no longer listed", !world.admin.listConsumerGroups().valid().get().stream().map(g -> g.groupId()).collect(Collectors.toSet()).contains(topic));
    }

    @Board.Case static void deleteUnknownGroup(World world) throws Exception {
        World.fails(GroupIdNotFoundException.class, () -> world.admin.deleteConsumerGroups(Collections.singleton(world.name("no-group"))).all().get());
    }

    @Board.Case static void offsetsOfAnUnknownGroup(World world) throws Exception {
        World.same("offsets", Collections.emptyMap(), world.admin.listConsumerGroupOffsets(world.name("no-group")).partitionsToOffsetAndMetadata().get());
    }

    @Board.Case static void deletedTopicTakesItsOffsetsAlong(World world) throws Exception {
        String topic = world.topic("gone", 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(topic)) {
            consumer.assign(world.partitions(topic));
            consumer.commitSync(Collections.singletonMap(new TopicPartition(topic, 0), new OffsetAndMetadata(5)));
        }
        world.admin.deleteTopics(Collections.singleton(topic)).all().get();
        World.await("no offsets", () -> world.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().isEmpty());
    }
}
