/*
 * Messages that survive a crash, a restart and an outage: on disk when aivo_client_send() returns, removed when the
 * server has acknowledged them, and never gone silently.
 *
 *   durable URL TOKEN QUEUE.db
 */
#include <aivo/aivo.h>
#include <semaphore.h>
#include <stdio.h>

#define MESSAGES 3

static void on_fate(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                    const char *answer, void *user)
{
    (void)client;
    printf("%s %s: %s %s\n", message->event, message->id.text, aivo_fate_name(fate),
           answer                ? answer
           : message->last_error ? message->last_error
                                 : "");
    sem_post(user);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: durable URL TOKEN QUEUE.db\n");
        return 64;
    }
    char auth[4096];
    snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", argv[2]);
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth = auth;
    options.queue.path = argv[3];
    options.queue.max_messages = 1000; /* beyond it the oldest is evicted, and on_fate() told */
    options.queue.ttl_s = 3600;

    sem_t left_the_queue;
    sem_init(&left_the_queue, 0, 0);
    struct aivo_client *client;
    struct aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_OK) {
        fprintf(stderr, "durable: %s\n", error.message);
        return 1;
    }
    aivo_client_on_fate(client, on_fate, &left_the_queue);

    /* There is no connection yet, and none is needed. */
    for (int i = 0; i < MESSAGES; i++) {
        char args[64];
        snprintf(args, sizeof args, "[{\"action\":\"start_session\",\"number\":%d}]", i);
        struct aivo_message_id id;
        if (aivo_client_send(client, "agent:learning", args, &id, &error) != AIVO_OK) {
            fprintf(stderr, "durable: %s\n", error.message);
            return 1;
        }
        printf("on disk: %s\n", id.text);
    }

    aivo_client_start(client);
    for (int i = 0; i < MESSAGES; i++)
        sem_wait(&left_the_queue);

    struct aivo_queue_stats stats;
    aivo_client_queue_stats(client, &stats);
    printf("still queued: %llu\n", (unsigned long long)stats.pending);
    aivo_client_destroy(client);
    sem_destroy(&left_the_queue);
    return 0;
}
