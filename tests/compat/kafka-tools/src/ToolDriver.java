import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Runs Kafka's command-line tools one after the other in one JVM, because each start of a JVM costs more than all the
 * tool does. A line of JSON comes in for each run ({"main": class, "args": [...], "stdin": text}) and one goes out
 * ({"code": exit code, "out": text, "err": text}).
 */
public class ToolDriver {
    /** What a tool's call of exit becomes. */
    private static final class Exited extends Error {
        Exited() {
            super("exit", null, false, false);
        }
    }

    /** Exit code of the tool that runs; a tool that calls exit twice has ended with the first. */
    private static Integer exitCode;
    private static final List<Runnable> hooks = new ArrayList<>();
    private static ByteArrayOutputStream out;
    private static ByteArrayOutputStream err;

    public static void main(String[] arguments) throws Exception {
        ObjectMapper json = new ObjectMapper();
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        onExit("setExitProcedure", given -> ended((Integer) given[0]));
        onExit("setHaltProcedure", given -> ended((Integer) given[0]));
        // The JVM goes on, but what a tool leaves to its end (the producer sends what it still has) is part of its run.
        onExit("setShutdownHookAdder", given -> hooks.add((Runnable) given[1]));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(json.writeValueAsString(run(json.readTree(line), json)));
        }
        answers.flush();
        Runtime.getRuntime().halt(0);
    }

    /** Sets a procedure of Kafka's class Exit, which moved with 4.4. */
    private static void onExit(String setter, Consumer<Object[]> procedure) throws Exception {
        Class<?> exit;
        try {
            exit = Class.forName("org.apache.kafka.common.utils.internals.Exit");
        } catch (ClassNotFoundException before44) {
            exit = Class.forName("org.apache.kafka.common.utils.Exit");
        }
        for (Method method : exit.getMethods()) {
            if (method.getName().equals(setter)) {
                Class<?> type = method.getParameterTypes()[0];
                method.invoke(null, Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, called, given) -> {
                    procedure.accept(given);
                    return null;
                }));
            }
        }
    }

    private static void ended(int code) {
        if (exitCode == null) {
            exitCode = code;
            mute();
        }
        throw new Exited();
    }

    /** Runs what the tool wanted to be run at its end, as far as it got. */
    private static void runHooks() {
        for (Runnable hook : List.copyOf(hooks)) {
            try {
                hook.run();
            } catch (RuntimeException | Exited failed) {
                // A JVM that ends does not care either.
            }
        }
        hooks.clear();
    }

    /** Whatever is printed after the end would not have been printed. */
    private static void mute() {
        System.out.flush();
        System.err.flush();
        System.setOut(new PrintStream(new ByteArrayOutputStream()));
        System.setErr(new PrintStream(new ByteArrayOutputStream()));
    }

    private static JsonNode run(JsonNode request, ObjectMapper json) throws Exception {
        String[] arguments = new String[request.get("args").size()];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = request.get("args").get(i).asText();
        }
        exitCode = null;
        out = new ByteArrayOutputStream();
        err = new ByteArrayOutputStream();
        System.setIn(new ByteArrayInputStream(request.get("stdin").asText().getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, "UTF-8"));
        System.setErr(new PrintStream(err, true, "UTF-8"));
        try {
            Class.forName(request.get("main").asText()).getMethod("main", String[].class).invoke(null, (Object) arguments);
            exitCode = exitCode == null ? 0 : exitCode;
        } catch (InvocationTargetException wrapped) {
            if (exitCode == null) {
                System.err.print("Exception in thread \"main\" ");
                wrapped.getCause().printStackTrace();
                exitCode = 1;
            }
        }
        runHooks();
        mute();
        return json.createObjectNode().put("code", exitCode).put("out", out.toString("UTF-8")).put("err", err.toString("UTF-8"));
    }
}
