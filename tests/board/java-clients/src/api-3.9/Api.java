import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.clients.admin.LogDirDescription;

/** The same questions in the words of kafka-clients 3.9 and later. */
final class Api {
    private Api() {
    }

    static TopicDescription describeTopic(AdminClient admin, String name) throws Exception {
        return admin.describeTopics(Collections.singleton(name)).allTopicNames().get().get(name);
    }

    static OffsetAndMetadata committed(KafkaConsumer<String, String> consumer, TopicPartition partition) {
        return consumer.committed(Collections.singleton(partition)).get(partition);
    }

    static String groupState(ConsumerGroupDescription description) {
        return description.state().toString();
    }

    /** Bytes of each replica that the broker holds. */
    static Map<TopicPartition, Long> replicaSizes(AdminClient admin, int broker) throws Exception {
        Map<TopicPartition, Long> sizes = new HashMap<>();
        for (LogDirDescription dir : admin.describeLogDirs(Collections.singleton(broker)).allDescriptions().get().get(broker).values()) {
            World.same("error of a log directory", null, dir.error());
            dir.replicaInfos().forEach((partition, replica) -> sizes.put(partition, replica.size()));
        }
        return sizes;
    }
}
