/*
 * How good is the connection? A callback for every sample, one for every change of level, and a snapshot at any time.
 *
 *   quality URL TOKEN
 */
#include <aivo/aivo.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static void on_sample(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    (void)user;
    printf("%.2f ms, score %d\n", quality->latency_ms, quality->score);
}

static void on_level(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    (void)user;
    printf("level: %s\n", aivo_level_name(quality->level));
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: quality URL TOKEN\n");
        return 64;
    }
    char auth[4096];
    snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", argv[2]);
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = argv[1];
    options.auth = auth;
    options.quality.interval_ms = 200; /* 10,000 unless said otherwise */

    struct aivo_client *client;
    struct aivo_error error;
    if (aivo_client_create(&options, &client, &error) != AIVO_OK) {
        fprintf(stderr, "quality: %s\n", error.message);
        return 1;
    }
    aivo_client_on_quality(client, on_sample, on_level, NULL);
    aivo_client_start(client);
    sleep(2);

    struct aivo_quality quality;
    aivo_client_quality(client, &quality); /* from any thread */
    if (!isnan(quality.p95_ms))            /* what is not known is NAN, never 0 */
        printf("p95 %.2f ms\n", quality.p95_ms);
    printf("loss %.1f %%, and with 95 %% confidence between %.1f and %.1f\n", quality.loss_pct, quality.loss_low_pct,
           quality.loss_high_pct);
    aivo_client_destroy(client);
    return quality.level > AIVO_LEVEL_OFFLINE ? 0 : 1;
}
