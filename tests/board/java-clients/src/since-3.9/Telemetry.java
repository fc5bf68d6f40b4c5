import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRequestException;

/** Subscriptions for the metrics of clients (KIP-714). */
@SuppressWarnings("deprecation")
final class Telemetry {
    private Telemetry() {
    }

    private static Object set(World world, ConfigResource resource, String key, String value) throws Exception {
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry(key, value), value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET);
        return world.admin.incrementalAlterConfigs(Collections.singletonMap(resource, (Collection<AlterConfigOp>) Arrays.asList(op))).all().get();
    }

    @Board.Case static void subscriptions(World world) throws Exception {
        String name = world.name("subscription");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, name);
        set(world, resource, "metrics", "org.apache.kafka.producer.");
        set(world, resource, "interval.ms", "120000");
        World.await("the subscription", () -> world.admin.listClientMetricsResources().all().get().stream().map(r -> r.name()).collect(Collectors.toSet()).contains(name));
        Config config = world.admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
        World.same("interval", "120000", config.get("interval.ms").value());
        World.same("metrics", "org.apache.kafka.producer.", config.get("metrics").value());
        World.fails(InvalidRequestException.class, () -> set(world, resource, "interval.ms", "3"));
        World.fails(InvalidRequestException.class, () -> set(world, resource, "no.such.config", "3"));
        set(world, resource, "metrics", null);
        set(world, resource, "interval.ms", null);
        World.await("no subscription", () -> !world.admin.listClientMetricsResources().all().get().stream().map(r -> r.name()).collect(Collectors.toSet()).contains(name));
    }

    /** Only a broker with a receiver of metrics speaks of telemetry; without one, clients have no instance id. */
    @Board.Case static void noReceiverNoTelemetry(World world) throws Exception {
        String topic = world.topic("telemetry", 1);
        world.fill(topic, 1);
        try (KafkaProducer<String, String> producer = world.producer("enable.metrics.push", "false")) {
            World.fails(IllegalStateException.class, () -> producer.clientInstanceId(Duration.ofSeconds(5)));
        }
        try (KafkaConsumer<String, String> consumer = world.consumer(null, "enable.metrics.push", "true")) {
            consumer.assign(world.partitions(topic));
            World.take(consumer, 1);
        }
    }
}
