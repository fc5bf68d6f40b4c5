import java.io.PrintStream;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Runs every case and appends one line "name, status, seconds, note" to a file: java Cases BOOTSTRAP FOLDER FILE [NAME...] */
public final class Cases {
    /** A static method that takes a Toolbox and throws when something is not as it should be. */
    @Retention(RetentionPolicy.RUNTIME)
    @Target(ElementType.METHOD)
    @interface Case {
    }

    private static final List<Class<?>> CLASSES = List.of(Topics.class, Configs.class, ConsumerGroups.class, Offsets.class,
        Records.class, Cluster.class, Reassign.class, Dump.class);

    private Cases() {
    }

    public static void main(String[] args) throws Exception {
        Toolbox tools = new Toolbox(args[0], Path.of(args[1]));
        List<String> only = Arrays.asList(args).subList(3, args.length);
        PrintStream console = System.out;
        try (PrintStream out = new PrintStream(args[2])) {
            for (Class<?> type : CLASSES) {
                Method[] methods = type.getDeclaredMethods();
                Arrays.sort(methods, Comparator.comparing(Method::getName));
                for (Method method : methods) {
                    String name = type.getSimpleName() + "." + method.getName();
                    if (method.isAnnotationPresent(Case.class) && (only.isEmpty() || only.stream().anyMatch(name::startsWith))) {
                        method.setAccessible(true);
                        run(tools, method, name, out, console);
                    }
                }
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static void run(Toolbox tools, Method method, String name, PrintStream out, PrintStream console) throws Exception {
        long began = System.nanoTime();
        String note = "";
        try {
            method.invoke(null, tools);
        } catch (InvocationTargetException reason) {
            note = String.valueOf(reason.getCause());
            for (StackTraceElement frame : reason.getCause().getStackTrace()) {
                if (frame.getClassName().equals(method.getDeclaringClass().getName())) {
                    note = frame.getFileName() + ":" + frame.getLineNumber() + " " + note;
                }
            }
        }
        String status = note.isEmpty() ? "pass" : "fail";
        out.printf("%s\t%s\t%.2f\t%s%n", name, status, (System.nanoTime() - began) / 1e9, note.replaceAll("\\s+", " "));
        console.println(name + " " + status);
    }
}
