#include "claims.h"
#include "cluster_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD(text) ((struct aivo_bytes){(text), strlen(text)})

struct srv_claim {
    struct srv_timer timer;
    struct srv_claim *prev, *next;
    struct srv_cluster *c;
    srv_claim_done *done;
    void *context;
    uint64_t deadline_ms;
    bool told; /* ELSEWHERE */
    struct aivo_buf key;
};

static void set(struct srv_claim *claim);

/* <prefix>-message#<length of user>#<user>#<id>: no two pairs have the same. */
static void name_key(struct aivo_buf *key, const struct srv_cluster *c, const char *user, const char *id, size_t id_len)
{
    const char *prefix = c->hub->config->redis_prefix ? c->hub->config->redis_prefix : "socket.io";
    aivo_buf_str(key, prefix);
    aivo_buf_str(key, "-message#");
    aivo_buf_u64(key, strlen(user));
    aivo_buf_char(key, '#');
    aivo_buf_str(key, user);
    aivo_buf_char(key, '#');
    aivo_buf_add(key, id, id_len);
}

static uint64_t pending_ms(const struct srv_cluster *c)
{
    uint64_t agents = c->hub->config->agent_url ? c->hub->config->agent_timeout_ms + 10000u : 0;
    uint64_t delayed = c->hub->config->test_handler_delay_ms + 10000u;
    uint64_t longest = agents > delayed ? agents : delayed;
    return longest > SRV_CLAIM_PENDING_MS ? longest : SRV_CLAIM_PENDING_MS;
}

static void claim_free(struct srv_claim *claim)
{
    struct srv_cluster *c = claim->c;
    srv_timer_stop(&claim->timer);
    if (claim->prev)
        claim->prev->next = claim->next;
    else
        c->claims = claim->next;
    if (claim->next)
        claim->next->prev = claim->prev;
    c->claim_count--;
    aivo_buf_free(&claim->key);
    free(claim);
}

static void finish(struct srv_claim *claim, enum srv_claim_verdict verdict, const char *answer, size_t len)
{
    if (!claim->c->stopped)
        claim->done(claim->context, verdict, answer, len);
    claim_free(claim);
}

static void got(void *context, const struct srv_resp_reply *reply)
{
    struct srv_claim *claim = context;
    const struct srv_resp_item *item = reply && !reply->is_array ? &reply->items[0] : NULL;
    uint64_t now_ms = claim->c->hub->engine->now_ms;
    if (!item || (item->type != SRV_RESP_TEXT && item->type != SRV_RESP_NIL)) {
        finish(claim, SRV_CLAIM_AWAY, NULL, 0);
    } else if (item->type == SRV_RESP_NIL) { /* its handler gave it back, or died */
        set(claim);
    } else if (item->len && item->text[0] == 'A') {
        finish(claim, SRV_CLAIM_ANSWERED, item->text + 1, item->len - 1);
    } else if (now_ms >= claim->deadline_ms) {
        finish(claim, SRV_CLAIM_GIVEN_UP, NULL, 0);
    } else {
        srv_timer_start(&claim->c->claim_list, &claim->timer, now_ms);
        if (!claim->told) {
            claim->told = true;
            claim->done(claim->context, SRV_CLAIM_ELSEWHERE, NULL, 0);
        }
    }
}

static void get(struct srv_claim *claim)
{
    const struct aivo_bytes words[] = {WORD("GET"), srv_buf_bytes(&claim->key)};
    if (!srv_cluster_command(claim->c, words, 2, got, claim))
        finish(claim, SRV_CLAIM_AWAY, NULL, 0);
}

static void was_set(void *context, const struct srv_resp_reply *reply)
{
    struct srv_claim *claim = context;
    const struct srv_resp_item *item = reply && !reply->is_array ? &reply->items[0] : NULL;
    if (item && item->type == SRV_RESP_NIL)
        get(claim);
    else
        finish(claim, item && item->type == SRV_RESP_STATUS ? SRV_CLAIM_MINE : SRV_CLAIM_AWAY, NULL, 0);
}

static void set(struct srv_claim *claim)
{
    char ms[24];
    snprintf(ms, sizeof ms, "%llu", (unsigned long long)pending_ms(claim->c));
    const struct aivo_bytes words[] = {WORD("SET"), srv_buf_bytes(&claim->key), WORD("?"), WORD("NX"), WORD("PX"),
                                       WORD(ms)};
    if (!srv_cluster_command(claim->c, words, 6, was_set, claim))
        finish(claim, SRV_CLAIM_AWAY, NULL, 0);
}

static void poll_due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_cluster *c = context;
    c->hub->engine->now_ms = now_ms;
    get(SRV_TIMER_OWNER(timer, struct srv_claim, timer));
}

void srv_claim(struct srv_cluster *c, const char *user, const char *id, size_t id_len, srv_claim_done *done,
               void *context)
{
    struct srv_claim *claim = c->connected && c->claim_count < SRV_CLAIM_MAX ? calloc(1, sizeof *claim) : NULL;
    if (!claim) {
        done(context, SRV_CLAIM_AWAY, NULL, 0);
        return;
    }
    claim->c = c;
    claim->done = done;
    claim->context = context;
    claim->deadline_ms = c->hub->engine->now_ms + pending_ms(c);
    claim->next = c->claims;
    if (claim->next)
        claim->next->prev = claim;
    c->claims = claim;
    c->claim_count++;
    name_key(&claim->key, c, user, id, id_len);
    if (claim->key.failed)
        finish(claim, SRV_CLAIM_AWAY, NULL, 0);
    else
        set(claim);
}

void srv_claim_answer(struct srv_cluster *c, const char *user, const char *id, size_t id_len, const char *answer,
                      size_t len)
{
    struct aivo_buf key, value;
    char ms[24];
    aivo_buf_init(&key);
    aivo_buf_init(&value);
    name_key(&key, c, user, id, id_len);
    snprintf(ms, sizeof ms, "%u", (unsigned)SRV_DEDUP_TTL_MS);
    if (answer && len <= SRV_DEDUP_MAX_ACK) {
        aivo_buf_char(&value, 'A');
        aivo_buf_add(&value, answer, len);
        const struct aivo_bytes words[] = {WORD("SET"), srv_buf_bytes(&key), srv_buf_bytes(&value), WORD("PX"),
                                           WORD(ms)};
        if (key.failed || value.failed || !srv_cluster_command(c, words, 5, NULL, NULL))
            srv_metrics_error(c->metrics, SRV_ERROR_REDIS);
    } else {
        const struct aivo_bytes words[] = {WORD("DEL"), srv_buf_bytes(&key)};
        if (key.failed || !srv_cluster_command(c, words, 2, NULL, NULL))
            srv_metrics_error(c->metrics, SRV_ERROR_REDIS);
    }
    aivo_buf_free(&key);
    aivo_buf_free(&value);
}

void srv_claims_init(struct srv_cluster *c)
{
    srv_timers_add(&c->hub->engine->timers, &c->claim_list, SRV_CLAIM_POLL_MS, poll_due, c);
}

void srv_claims_free(struct srv_cluster *c)
{
    while (c->claims)
        claim_free(c->claims);
}
