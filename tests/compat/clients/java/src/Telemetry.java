import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Telemetry BOOTSTRAP TOPIC: a producer and a consumer that push their metrics (KIP-714) while they work, until
 * something comes in at standard input. Prints `id producer ID` and `id consumer ID`, and when both are closed, `closed` and
 * how many records were sent.
 */
final class Telemetry {
    private static final String PRODUCER = "telemetry-producer";
    private static final String CONSUMER = "telemetry-consumer";

    private Telemetry() {
    }

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        String topic = arguments[1];
        int sent = 0;
        subscribe(bootstrap);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings(bootstrap, PRODUCER));
                KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings(bootstrap, CONSUMER))) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            System.out.println("id producer " + producer.clientInstanceId(Duration.ofSeconds(20)));
            // A consumer speaks to the broker only while it polls.
            consumer.poll(Duration.ofMillis(500));
            System.out.println("id consumer " + consumer.clientInstanceId(Duration.ofSeconds(20)));
            System.out.flush();
            while (System.in.available() == 0) {
                producer.send(new ProducerRecord<>(topic, 0, "key", "value")).get();
                sent++;
                consumer.poll(Duration.ofMillis(50));
            }
        }
        System.out.println("closed " + sent);
    }

    /** Each of the two is asked for metrics of its own. */
    private static void subscribe(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            for (String client : List.of(PRODUCER, CONSUMER)) {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, client);
                String kind = client.substring(client.indexOf('-') + 1);
                admin.incrementalAlterConfigs(Map.of(resource, List.of(
                    set("metrics", "org.apache.kafka." + kind + "."),
                    set("interval.ms", "100"),
                    set("match", "client_id=" + client + ",client_software_name=apache-kafka-java")))).all().get();
            }
        }
    }

    private static AlterConfigOp set(String key, String value) {
        return new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
    }

    private static Properties settings(String bootstrap, String client) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("client.id", client);
        settings.put("enable.metrics.push", "true");
        for (String half : List.of("key", "value")) {
            settings.put(half + ".serializer", StringSerializer.class.getName());
            settings.put(half + ".deserializer", StringDeserializer.class.getName());
        }
        return settings;
    }
}
