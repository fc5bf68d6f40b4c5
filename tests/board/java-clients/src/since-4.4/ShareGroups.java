import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Share groups (KIP-932). */
final class ShareGroups {
    private ShareGroups() {
    }

    private static KafkaShareConsumer<String, String> consumer(World world, String group) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        Collection<AlterConfigOp> earliest = Collections.singleton(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET));
        world.admin.incrementalAlterConfigs(Collections.singletonMap(resource, earliest)).all().get();
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", world.bootstrap);
        all.put("group.id", group);
        all.put("share.acknowledgement.mode", "explicit");
        return new KafkaShareConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    @Board.Case static void takeAndAcknowledge(World world) throws Exception {
        String topic = world.topic("share", 1);
        world.fill(topic, 20);
        try (KafkaShareConsumer<String, String> consumer = consumer(world, topic)) {
            consumer.subscribe(Arrays.asList(topic));
            int accepted = 0;
            int released = 0;
            long end = System.currentTimeMillis() + 30_000;
            while (accepted < 20 && System.currentTimeMillis() < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    boolean first = record.deliveryCount().get() == 1;
                    consumer.acknowledge(record, first ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
                    released += first ? 1 : 0;
                    accepted += first ? 0 : 1;
                }
                consumer.commitSync();
            }
            World.same("released", 20, released);
            World.same("accepted the second time", 20, accepted);
            ShareGroupDescription group = world.admin.describeShareGroups(Collections.singleton(topic)).all().get().get(topic);
            World.same("members", 1, group.members().size());
        }
    }
}
