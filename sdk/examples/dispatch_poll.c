/*
 * No second thread in sight: the callbacks run where the program's own poll() loop calls aivo_client_dispatch().
 * GLib, libuv and every other loop work the same way: watch aivo_client_fd() for reading.
 *
 *   dispatch_poll URL TOKEN
 */
#include <aivo/aivo.h>
#include <poll.h>
#include <stdio.h>

#define ANSWERS 3

/* Plain fields: nobody else touches them. */
struct program {
    bool connected, failed;
    int asked, answered;
};

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)client;
    (void)from;
    struct program *program = user;
    program->connected = to == AIVO_STATE_CONNECTED;
    program->failed = to == AIVO_STATE_FAILED;
    printf("%s%s%s\n", aivo_state_name(to), error ? ": " : "", error ? error->message : "");
}

static void on_answer(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message,
                      void *user)
{
    (void)client;
    struct program *program = user;
    program->answered++;
    printf("%s\n", status == AIVO_OK ? message->args : aivo_strerror(status));
}

/* What a turn of the program does besides: here it asks every 200 ms. */
static void on_timer(struct aivo_client *client, struct program *program)
{
    struct aivo_emit how;
    aivo_emit_init(&how);
    how.ack = on_answer;
    how.user = program;
    if (program->connected && program->asked < ANSWERS &&
        aivo_client_emit(client, "quality_ping", "[{\"pingId\":\"mine\"}]", &how) == AIVO_OK)
        program->asked++;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: dispatch_poll URL TOKEN\n");
        return 64;
    }
    char auth[4096];
    snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", argv[2]);
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth = auth;
    options.callbacks = AIVO_CALLBACKS_DISPATCH;

    struct aivo_client *client;
    struct aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_OK) {
        fprintf(stderr, "dispatch_poll: %s\n", error.message);
        return 1;
    }
    struct program program = {.asked = 0};
    aivo_client_on_state(client, on_state, &program);
    aivo_client_start(client);
    while (program.answered < ANSWERS && !program.failed) {
        struct pollfd fd = {.fd = aivo_client_fd(client), .events = POLLIN};
        int ready = poll(&fd, 1, 200);
        if (ready > 0)
            aivo_client_dispatch(client);
        else if (ready == 0)
            on_timer(client, &program);
    }
    aivo_client_destroy(client);
    return program.failed ? 1 : 0;
}
