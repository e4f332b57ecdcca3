/*
 * Send an event as soon as the connection stands, and wait for the server's answer.
 *
 *   emit_ack URL TOKEN
 */
#include <aivo/aivo.h>
#include <semaphore.h>
#include <stdio.h>

struct program {
    sem_t done;
    int code;
};

/* Called exactly once for every emit that was accepted: with the answer, or with the reason why none will come. */
static void on_answer(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message,
                      void *user)
{
    (void)client;
    struct program *program = user;
    if (status == AIVO_OK)
        printf("answer: %s\n", message->args);
    else
        printf("no answer: %s\n", aivo_strerror(status));
    program->code = status == AIVO_OK ? 0 : 1;
    sem_post(&program->done);
}

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)from;
    struct program *program = user;
    if (to == AIVO_STATE_CONNECTED) {
        struct aivo_emit how;
        aivo_emit_init(&how);
        how.ack = on_answer;
        how.user = program;
        how.ack_timeout_ms = 5000;
        /* The arguments are a JSON array: here one argument, an object. Every call may be made inside a callback. */
        aivo_client_emit(client, "agent:learning", "[{\"action\":\"start_session\"}]", &how);
    } else if (to == AIVO_STATE_FAILED) { /* refused for good: retrying would not help */
        fprintf(stderr, "emit_ack: %s\n", error ? error->message : "failed");
        program->code = 1;
        sem_post(&program->done);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: emit_ack URL TOKEN\n");
        return 64;
    }
    char auth[4096];
    snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", argv[2]);
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth = auth;

    struct program program = {.code = 1};
    sem_init(&program.done, 0, 0);
    struct aivo_client *client;
    struct aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_OK) {
        fprintf(stderr, "emit_ack: %s\n", error.message);
        return 1;
    }
    aivo_client_on_state(client, on_state, &program);
    aivo_client_start(client);
    sem_wait(&program.done);
    aivo_client_destroy(client);
    sem_destroy(&program.done);
    return program.code;
}
