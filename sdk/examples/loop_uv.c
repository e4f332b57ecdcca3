/*
 * libuv's loop: a uv_poll_t watches the client's descriptor, and callbacks run in the loop's thread.
 *
 *   loop_uv URL TOKEN
 */
#include <aivo/aivo.h>
#include <stdio.h>
#include <uv.h>

struct program {
    uv_poll_t poll;
    struct aivo_client *client;
    int code;
};

/* Nothing is left to the loop then, so uv_run() returns. */
static void finish(struct program *program)
{
    if (!uv_is_closing((uv_handle_t *)&program->poll))
        uv_close((uv_handle_t *)&program->poll, NULL);
}

static void on_answer(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message,
                      void *user)
{
    (void)client;
    struct program *program = user;
    printf("%s\n", status == AIVO_OK ? message->args : aivo_strerror(status));
    program->code = status == AIVO_OK ? 0 : 1;
    finish(program);
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
        aivo_client_emit(client, "quality_ping", "[{\"pingId\":\"uv\"}]", &how);
    else if (to == AIVO_STATE_FAILED)
        finish(program);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct program *program = poll->data;
    aivo_client_dispatch(program->client);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: loop_uv URL TOKEN\n");
        return 64;
    }
    char auth[4096];
    snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", argv[2]);
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth = auth;
    options.callbacks = AIVO_CALLBACKS_DISPATCH;

    struct program program = {.code = 1};
    struct aivo_error error;
    if (aivo_client_create(&options, &program.client, &error) != AIVO_OK) {
        fprintf(stderr, "loop_uv: %s\n", error.message);
        return 1;
    }
    uv_loop_t *loop = uv_default_loop();
    program.poll.data = &program;
    uv_poll_init(loop, &program.poll, aivo_client_fd(program.client));
    uv_poll_start(&program.poll, UV_READABLE, on_readable);
    aivo_client_on_state(program.client, on_state, &program);
    aivo_client_start(program.client);
    uv_run(loop, UV_RUN_DEFAULT);
    aivo_client_destroy(program.client); /* after the handle is closed: the client owns the descriptor */
    uv_loop_close(loop);
    return program.code;
}
