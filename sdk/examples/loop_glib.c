/*
 * GLib's main loop, and so GTK's: the client's descriptor is a source, and callbacks run in the main thread.
 *
 *   loop_glib URL TOKEN
 */
#include <aivo/aivo.h>
#include <glib-unix.h>
#include <stdio.h>

struct program {
    GMainLoop *loop;
    struct aivo_client *client;
    int code;
};

static void on_answer(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message,
                      void *user)
{
    (void)client;
    struct program *program = user;
    printf("%s\n", status == AIVO_OK ? message->args : aivo_strerror(status));
    program->code = status == AIVO_OK ? 0 : 1;
    g_main_loop_quit(program->loop);
}

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)from;
    struct program *program = user;
    printf("%s%s%s\n", aivo_state_name(to), error ? ": " : "", error ? error->message : "");
    struct aivo_emit how;
    aivo_emit_init(&how);
    how.ack = on_answer;
    how.user = program;
    if (to == AIVO_STATE_CONNECTED)
        aivo_client_emit(client, "quality_ping", "[{\"pingId\":\"glib\"}]", &how);
    else if (to == AIVO_STATE_FAILED)
        g_main_loop_quit(program->loop);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    struct program *program = user;
    aivo_client_dispatch(program->client);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: loop_glib URL TOKEN\n");
        return 64;
    }
    g_autofree char *auth = g_strdup_printf("{\"token\":\"%s\"}", argv[2]);
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth = auth;
    options.callbacks = AIVO_CALLBACKS_DISPATCH;

    struct program program = {.code = 1};
    struct aivo_error error;
    if (aivo_client_create(&options, &program.client, &error) != AIVO_OK) {
        fprintf(stderr, "loop_glib: %s\n", error.message);
        return 1;
    }
    program.loop = g_main_loop_new(NULL, FALSE);
    guint source = g_unix_fd_add(aivo_client_fd(program.client), G_IO_IN, on_readable, &program);
    aivo_client_on_state(program.client, on_state, &program);
    aivo_client_start(program.client);
    g_main_loop_run(program.loop);
    g_source_remove(source); /* before the client, which owns the descriptor */
    aivo_client_destroy(program.client);
    g_main_loop_unref(program.loop);
    return program.code;
}
