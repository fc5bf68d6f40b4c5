import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Kafka's command-line tools in this JVM, one at a time, as if each had a process of its own:
 * its output is caught, its exit ends only the tool, its shutdown hooks run at its end.
 */
final class Toolbox {
    /** What a tool left behind. */
    static final class Done {
        final String command;
        final int code;
        final String out;
        final String err;

        Done(String command, int code, String out, String err) {
            this.command = command;
            this.code = code;
            this.out = out;
            this.err = err;
        }

        private AssertionError wrong(String what) {
            return new AssertionError(what + " | " + command + " | exit " + code + " | " + out + " | " + err);
        }

        Done ok() {
            return exits(0);
        }

        Done exits(int wanted) {
            if (code != wanted) {
                throw wrong("wanted exit " + wanted);
            }
            return this;
        }

        /** The text is somewhere in what the tool said. */
        Done says(String text) {
            if (!out.contains(text) && !err.contains(text)) {
                throw wrong("does not say: " + text);
            }
            return this;
        }

        Done saysNot(String text) {
            if (out.contains(text) || err.contains(text)) {
                throw wrong("says: " + text);
            }
            return this;
        }

        /** One whole line of the output matches; returns its groups. */
        Matcher line(String regex) {
            Pattern pattern = Pattern.compile(regex);
            for (String line : lines()) {
                Matcher matcher = pattern.matcher(line);
                if (matcher.matches()) {
                    return matcher;
                }
            }
            throw wrong("no line matches: " + regex);
        }

        List<String> lines() {
            return Arrays.asList(out.split("\r?\n"));
        }

        /** Exactly these lines, in any order. */
        Done only(String... wanted) {
            List<String> got = new ArrayList<>(lines());
            List<String> sorted = Arrays.asList(wanted.clone());
            sorted.sort(null);
            got.sort(null);
            if (!got.equals(sorted)) {
                throw wrong("wanted the lines " + sorted);
            }
            return this;
        }
    }

    /** Ends a tool as System.exit would end its process. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1;
        final int code;

        Exited(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    static final int TOOL_LIMIT_MS = 50_000;

    final String bootstrap;
    final Admin admin;
    final Path directory;
    private final String run = UUID.randomUUID().toString().substring(0, 8);
    private final List<Runnable> hooks = new ArrayList<>();
    private volatile int exitCode;

    Toolbox(String bootstrap, Path directory) {
        this.bootstrap = bootstrap;
        this.directory = directory;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Exit.setExitProcedure((code, message) -> exit(code, message));
        Exit.setHaltProcedure((code, message) -> exit(code, message));
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
    }

    private void exit(int code, String message) {
        if (message != null && code != 0) {
            System.err.println(message);
        }
        if (exitCode < 0) {
            exitCode = code;
        }
        throw new Exited(code);
    }

    /** A name that no other case and no earlier run has. */
    String name(String stem) {
        return "tools-" + stem + "-" + run;
    }

    /** A fresh topic, filled with `records` records "k0:v0", "k1:v1", … in turn over its partitions. */
    String topic(String stem, int partitions, int records) throws Exception {
        String name = name(stem);
        tool("TopicCommand", "--create", "--topic", name, "--partitions", "" + partitions).ok();
        if (records > 0) {
            try (var producer = new org.apache.kafka.clients.producer.KafkaProducer<>(Map.of("bootstrap.servers", (Object) bootstrap),
                new org.apache.kafka.common.serialization.StringSerializer(), new org.apache.kafka.common.serialization.StringSerializer())) {
                for (int i = 0; i < records; i++) {
                    producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(name, i % partitions, "k" + i, "v" + i));
                }
            }
        }
        return name;
    }

    /** A file for a tool to read. */
    String file(String name, String content) throws Exception {
        Path path = directory.resolve(name + "-" + UUID.randomUUID());
        Files.writeString(path, content);
        return path.toString();
    }

    int nodeId() throws Exception {
        return admin.describeCluster().nodes().get().iterator().next().id();
    }

    /** The tool with --bootstrap-server in front of its arguments. */
    Done tool(String name, String... arguments) throws Exception {
        return withInput("", name, arguments);
    }

    Done withInput(String input, String name, String... arguments) throws Exception {
        String[] all = new String[arguments.length + 2];
        all[0] = "--bootstrap-server";
        all[1] = bootstrap;
        System.arraycopy(arguments, 0, all, 2, arguments.length);
        return bare(input, name, all);
    }

    /** The tool with these arguments and no others. `name` is a class, by default in org.apache.kafka.tools. */
    Done bare(String input, String name, String... arguments) throws Exception {
        Class<?> type = Class.forName(name.startsWith("kafka.") ? name : "org.apache.kafka.tools." + name);
        Method main = type.getMethod("main", String[].class);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream stdout = System.out;
        PrintStream stderr = System.err;
        InputStream stdin = System.in;
        hooks.clear();
        exitCode = -1;
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try {
            inTime(() -> main.invoke(null, (Object) arguments));
        } finally {
            System.setOut(stdout);
            System.setErr(stderr);
            System.setIn(stdin);
        }
        String command = type.getSimpleName() + " " + String.join(" ", arguments);
        return new Done(command, Math.max(exitCode, 0), out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private void inTime(Callable<?> call) throws Exception {
        Thread thread = new Thread(() -> {
            try {
                call.call();
            } catch (InvocationTargetException reason) {
                if (!(reason.getCause() instanceof Exited)) {
                    reason.getCause().printStackTrace();
                    exitCode = exitCode < 0 ? 1 : exitCode;
                }
            } catch (Exception reason) {
                throw new AssertionError(reason);
            }
            runHooks();
        });
        thread.setDaemon(true);
        thread.start();
        thread.join(TOOL_LIMIT_MS);
        if (thread.isAlive()) {
            // It is told to end as by an interrupt key, so that its output tells how far it came.
            runHooks();
            thread.join(5_000);
            exitCode = 124;
        }
    }

    private void runHooks() {
        for (Thread hook : javaHooks()) {
            Runtime.getRuntime().removeShutdownHook(hook);
            hooks.add(hook);
        }
        for (Runnable hook : List.copyOf(hooks)) {
            try {
                hook.run();
            } catch (Exited ignored) {
                // A hook that exits while the process exits changes nothing.
                continue;
            }
        }
    }

    /** The hooks that a tool gave to the JVM itself (needs --add-opens java.base/java.lang=ALL-UNNAMED). */
    private static List<Thread> javaHooks() {
        try {
            Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
            field.setAccessible(true);
            return new ArrayList<>(((Map<?, Thread>) field.get(null)).values());
        } catch (ReflectiveOperationException reason) {
            throw new AssertionError(reason);
        }
    }

    /** Waits until the condition holds; half a minute is a failure. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long end = System.currentTimeMillis() + 30_000;
        while (!condition.call()) {
            if (System.currentTimeMillis() > end) {
                throw new AssertionError("waited in vain for " + what);
            }
            Thread.sleep(25);
        }
    }

    static void same(String what, Object wanted, Object got) {
        if (!java.util.Objects.equals(wanted, got)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }
}
