import java.util.Collections;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** DescribeConfigs. */
final class Configs {
    private Configs() {
    }

    static Config describe(World world, ConfigResource resource) throws Exception {
        return world.admin.describeConfigs(Collections.singleton(resource), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(resource);
    }

    static ConfigResource topic(String name) {
        return new ConfigResource(ConfigResource.Type.TOPIC, name);
    }

    static ConfigResource broker(World world) throws Exception {
        return new ConfigResource(ConfigResource.Type.BROKER, world.admin.describeCluster().nodes().get().iterator().next().idString());
    }

    @Board.Case static void ofATopic(World world) throws Exception {
        String name = world.topic("config", 1, "retention.ms", "1234567");
        Config config = describe(world, topic(name));
        ConfigEntry own = config.get("retention.ms");
        World.same("value", "1234567", own.value());
        World.same("source", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, own.source());
        World.check("synonyms: " + own.synonyms(), own.synonyms().size() >= 1 && own.synonyms().get(0).value().equals("1234567"));
        ConfigEntry other = config.get("segment.bytes");
        World.same("default", "1073741824", other.value());
        World.same("source", ConfigEntry.ConfigSource.DEFAULT_CONFIG, other.source());
        World.check("all there", config.entries().size() >= 30);
        World.check("nothing is read-only", config.entries().stream().noneMatch(ConfigEntry::isReadOnly));
    }

    @Board.Case static void ofABroker(World world) throws Exception {
        Config config = describe(world, broker(world));
        World.same("read-only", true, config.get("log.dirs").isReadOnly());
        World.same("source", ConfigEntry.ConfigSource.STATIC_BROKER_CONFIG, config.get("log.dirs").source());
        World.same("may be changed", false, config.get("log.retention.ms").isReadOnly());
        World.same("sensitive", true, config.get("ssl.key.password").isSensitive());
        World.same("value of what is sensitive", null, config.get("ssl.key.password").value());
        World.check("all there", config.entries().size() >= 200);
    }

    @Board.Case static void ofAnUnknownTopic(World world) throws Exception {
        World.fails(UnknownTopicOrPartitionException.class, () -> describe(world, topic(world.name("no-config"))));
    }

    @Board.Case static void ofTheBrokerDefaults(World world) throws Exception {
        describe(world, new ConfigResource(ConfigResource.Type.BROKER, ""));
    }
}
