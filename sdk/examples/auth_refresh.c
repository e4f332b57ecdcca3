/*
 * Credentials that expire: the client asks for them at every connect and says why. A refused token is replaced, not
 * sent again and again.
 *
 *   auth_refresh URL OLD-TOKEN NEW-TOKEN
 */
#include <aivo/aivo.h>
#include <semaphore.h>
#include <stdio.h>

struct program {
    const char *old_token, *new_token;
    sem_t done;
    int code;
};

/* A program would ask its token service here, and may answer later, from any thread, within auth_timeout_ms. */
static void on_auth(struct aivo_client *client, enum aivo_auth_reason reason, void *user)
{
    struct program *program = user;
    const char *token = program->old_token;
    if (reason == AIVO_AUTH_REFUSED) {
        printf("the token was refused: getting another\n");
        token = program->new_token;
        program->new_token = NULL;
    }
    if (!token) {
        aivo_client_auth(client, NULL); /* there are none to be had: the state becomes failed */
        return;
    }
    char payload[4096];
    snprintf(payload, sizeof payload, "{\"token\":\"%s\"}", token);
    aivo_client_auth(client, payload);
}

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)client;
    (void)from;
    struct program *program = user;
    printf("%s%s%s\n", aivo_state_name(to), error ? ": " : "", error ? error->message : "");
    if (to == AIVO_STATE_CONNECTED || to == AIVO_STATE_FAILED) {
        program->code = to == AIVO_STATE_CONNECTED ? 0 : 1;
        sem_post(&program->done);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: auth_refresh URL OLD-TOKEN NEW-TOKEN\n");
        return 64;
    }
    struct program program = {.old_token = argv[2], .new_token = argv[3]};
    sem_init(&program.done, 0, 0);

    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth_fn = on_auth; /* instead of options.auth */
    options.auth_user = &program;

    struct aivo_client *client;
    struct aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_OK) {
        fprintf(stderr, "auth_refresh: %s\n", error.message);
        return 1;
    }
    aivo_client_on_state(client, on_state, &program);
    aivo_client_start(client);
    sem_wait(&program.done);
    aivo_client_destroy(client);
    sem_destroy(&program.done);
    return program.code;
}
