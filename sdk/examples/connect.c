/*
 * Connect, follow the state, print every event for two seconds.
 *
 *   connect URL TOKEN
 */
#include <aivo/aivo.h>
#include <stdio.h>
#include <unistd.h>

/* Callbacks run on the client's own thread. What they are given is theirs until they return. */
static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)client;
    (void)user;
    printf("%s -> %s%s%s\n", aivo_state_name(from), aivo_state_name(to), error ? ": " : "",
           error ? error->message : "");
}

static void on_event(struct aivo_client *client, const struct aivo_message *message, void *user)
{
    (void)client;
    (void)user;
    printf("%s %s\n", message->event, message->args);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: connect URL TOKEN\n");
        return 64;
    }
    char auth[4096];
    snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", argv[2]);

    struct aivo_options options;
    aivo_options_init(&options); /* every option has its default now */
    options.url = argv[1];
    options.auth = auth;

    struct aivo_client *client;
    struct aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_OK) {
        fprintf(stderr, "connect: %s\n", error.message); /* one line: what is wrong, and with which option */
        return 1;
    }
    aivo_client_on_state(client, on_state, NULL);
    aivo_client_on(client, NULL, on_event, NULL); /* NULL: every event */
    aivo_client_start(client);                    /* returns at once, and stays connected through outages */
    sleep(2);
    aivo_client_destroy(client); /* after this no callback runs any more */
    return 0;
}
