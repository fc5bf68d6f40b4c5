import java.util.Arrays;
import java.util.Collections;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** AlterConfigs, which replaces all at once; clients lost it with 4.0. */
@SuppressWarnings("deprecation")
final class AlterConfigsOldWay {
    private AlterConfigsOldWay() {
    }

    private static Object alter(World world, ConfigResource resource, boolean dry, ConfigEntry... entries) throws Exception {
        return world.admin.alterConfigs(Collections.singletonMap(resource, new Config(Arrays.asList(entries))), new AlterConfigsOptions().validateOnly(dry)).all().get();
    }

    @Board.Case static void topic(World world) throws Exception {
        ConfigResource resource = Configs.topic(world.topic("alter", 1, "retention.ms", "5000000"));
        alter(world, resource, true, new ConfigEntry("segment.ms", "777777"));
        World.same("after the dry run", "5000000", Configs.describe(world, resource).get("retention.ms").value());
        alter(world, resource, false, new ConfigEntry("segment.ms", "777777"));
        World.await("the new value", () -> Configs.describe(world, resource).get("segment.ms").value().equals("777777"));
        World.same("what was not named is a default again", "604800000", Configs.describe(world, resource).get("retention.ms").value());
    }

    @Board.Case static void wrongly(World world) throws Exception {
        ConfigResource resource = Configs.topic(world.topic("alter-wrong", 1));
        World.fails(InvalidConfigurationException.class, () -> alter(world, resource, false, new ConfigEntry("segment.ms", "soon")));
        World.fails(InvalidConfigurationException.class, () -> alter(world, resource, false, new ConfigEntry("no.such.config", "1")));
        World.fails(UnknownTopicOrPartitionException.class, () -> alter(world, Configs.topic(world.name("nothing")), false, new ConfigEntry("segment.ms", "1")));
    }
}
