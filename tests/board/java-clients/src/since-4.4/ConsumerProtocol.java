import java.util.Arrays;
import java.util.Collections;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupType;

/** The consumer protocol of KIP-848. */
final class ConsumerProtocol {
    private ConsumerProtocol() {
    }

    private static KafkaConsumer<String, String> consumer(World world, String group, String... more) {
        java.util.Map<String, Object> all = new java.util.HashMap<>();
        all.put("bootstrap.servers", world.bootstrap);
        all.put("group.id", group);
        all.put("group.protocol", "consumer");
        all.put("enable.auto.commit", "false");
        all.put("auto.offset.reset", "earliest");
        all.put("metadata.max.age.ms", "1000");
        all.putAll(World.map(more));
        return new KafkaConsumer<>(all, new org.apache.kafka.common.serialization.StringDeserializer(), new org.apache.kafka.common.serialization.StringDeserializer());
    }

    @Board.Case static void comeAndGo(World world) throws Exception {
        String topic = world.topic("protocol", 4);
        try (Groups.Member first = new Groups.Member(consumer(world, topic), topic)) {
            Groups.balanced(first);
            try (Groups.Member second = new Groups.Member(consumer(world, topic), topic)) {
                Groups.balanced(first, second);
                world.fill(topic, 100);
                World.await("100 records", () -> first.records.size() + second.records.size() >= 100);
                ConsumerGroupDescription group = world.admin.describeConsumerGroups(Collections.singleton(topic)).all().get().get(topic);
                World.same("type", GroupType.CONSUMER, group.type());
                World.same("members", 2, group.members().size());
                World.same("assignor", "uniform", group.partitionAssignor());
            }
            Groups.balanced(first);
        }
    }

    @Board.Case static void featureIsFinalized(World world) throws Exception {
        World.check("group.version", world.admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("group.version").maxVersionLevel() >= 1);
    }

    @Board.Case static void rangeAssignor(World world) throws Exception {
        String topic = world.topic("protocol-range", 4);
        try (Groups.Member first = new Groups.Member(consumer(world, topic, "group.remote.assignor", "range"), topic)) {
            Groups.balanced(first);
        }
    }

    @Board.Case static void commitAndResume(World world) throws Exception {
        String topic = world.topic("protocol-resume", 1);
        world.fill(topic, 50);
        try (KafkaConsumer<String, String> consumer = consumer(world, topic, "max.poll.records", "20")) {
            consumer.subscribe(Arrays.asList(topic));
            World.take(consumer, 20);
            consumer.commitSync();
        }
        try (KafkaConsumer<String, String> consumer = consumer(world, topic)) {
            consumer.subscribe(Arrays.asList(topic));
            World.same("first record after the commit", 20L, World.take(consumer, 30).get(0).offset());
        }
    }

    @Board.Case static void brokerSidePattern(World world) throws Exception {
        String topic = world.topic("protocol-pattern", 1);
        world.fill(topic, 5);
        try (KafkaConsumer<String, String> consumer = consumer(world, topic)) {
            consumer.subscribe(new SubscriptionPattern(topic + ".*"));
            World.whole(World.take(consumer, 5), 5);
        }
    }

    @Board.Case static void staticMember(World world) throws Exception {
        String topic = world.topic("protocol-static", 4);
        try (Groups.Member first = new Groups.Member(consumer(world, topic, "group.instance.id", "one"), topic)) {
            Groups.balanced(first);
        }
        try (Groups.Member again = new Groups.Member(consumer(world, topic, "group.instance.id", "one"), topic)) {
            Groups.balanced(again);
        }
    }
}
