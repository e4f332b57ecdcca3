#include "resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES (256 * 1024) /* NSS modules want more than the least */

struct job {
    struct aivo_link link;    /* in queued, running or done */
    struct aivo_link lookups; /* the loop's thread alone touches these */
    bool started, finished;
    uint16_t port;
    struct aivo_addresses found;
    char host[];
};

struct aivo_resolver {
    pthread_mutex_t lock;
    unsigned references; /* the loop's and each thread's */
    unsigned threads;
    bool dead; /* destroyed: threads clean up after themselves */
    aivo_resolve_fn resolve;
    void (*notify)(void *user);
    void *user;
    struct aivo_link queued, running, done;
};

void aivo_address_text(const struct aivo_address *address, char out[AIVO_ADDRESS_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (address->at.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->at.in6.sin6_addr, ip, sizeof ip);
        snprintf(out, AIVO_ADDRESS_TEXT, "[%s]:%u", ip, (unsigned)ntohs(address->at.in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address->at.in.sin_addr, ip, sizeof ip);
        snprintf(out, AIVO_ADDRESS_TEXT, "%s:%u", ip, (unsigned)ntohs(address->at.in.sin_port));
    }
}

bool aivo_address_numeric(const char *host, uint16_t port, struct aivo_addresses *out)
{
    struct aivo_address address = {0};
    if (inet_pton(AF_INET, host, &address.at.in.sin_addr) == 1) {
        address.len = sizeof address.at.in;
        address.at.in.sin_family = AF_INET;
        address.at.in.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, host, &address.at.in6.sin6_addr) == 1) {
        address.len = sizeof address.at.in6;
        address.at.in6.sin6_family = AF_INET6;
        address.at.in6.sin6_port = htons(port);
    } else {
        return false;
    }
    *out = (struct aivo_addresses){.count = 1, .list = {address}};
    return true;
}

/* The next address of a family (any: AF_UNSPEC) at or after *from. */
static const struct addrinfo *next_of(const struct addrinfo **from, int family)
{
    for (const struct addrinfo *a = *from; a; a = a->ai_next)
        if ((a->ai_family == family || (family == AF_UNSPEC && a->ai_family == AF_INET) ||
             (family == AF_UNSPEC && a->ai_family == AF_INET6)) &&
            a->ai_addrlen <= sizeof((struct aivo_address *)0)->at) {
            *from = a->ai_next;
            return a;
        }
    *from = NULL;
    return NULL;
}

static void alternate(const struct addrinfo *list, struct aivo_addresses *out)
{
    const struct addrinfo *first = list, *a = next_of(&first, AF_UNSPEC);
    if (!a)
        return;
    int family = a->ai_family;
    const struct addrinfo *same = list, *other = list;
    for (bool turn = true; (same || other) && out->count < AIVO_MAX_ADDRESSES; turn = !turn) {
        a = turn ? next_of(&same, family) : next_of(&other, family == AF_INET ? AF_INET6 : AF_INET);
        if (!a)
            continue;
        struct aivo_address *slot = &out->list[out->count++];
        slot->len = a->ai_addrlen;
        memcpy(&slot->at, a->ai_addr, a->ai_addrlen);
    }
}

void aivo_resolve_system(const char *host, uint16_t port, struct aivo_addresses *out)
{
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    *out = (struct aivo_addresses){0};
    out->error = getaddrinfo(host, service, &hints, &list);
    if (out->error == 0) {
        alternate(list, out);
        freeaddrinfo(list);
        if (out->count == 0)
            out->error = EAI_NONAME;
    }
    if (out->error != 0)
        snprintf(out->text, sizeof out->text, "%s", gai_strerror(out->error));
}

struct aivo_resolver *aivo_resolver_create(aivo_resolve_fn resolve, void (*notify)(void *user), void *user)
{
    struct aivo_resolver *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct aivo_resolver){.references = 1, .resolve = resolve, .notify = notify, .user = user};
    pthread_mutex_init(&r->lock, NULL);
    aivo_list_init(&r->queued);
    aivo_list_init(&r->running);
    aivo_list_init(&r->done);
    return r;
}

static void free_jobs(struct aivo_link *list)
{
    struct aivo_link *link;
    while ((link = aivo_list_take(list)) != NULL)
        free(AIVO_CONTAINER(link, struct job, link));
}

/* Called with the lock held; lets go of it. */
static void release(struct aivo_resolver *r)
{
    bool last = --r->references == 0;
    pthread_mutex_unlock(&r->lock);
    if (last) {
        pthread_mutex_destroy(&r->lock);
        free(r);
    }
}

void aivo_resolver_destroy(struct aivo_resolver *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->dead = true;
    free_jobs(&r->queued);
    free_jobs(&r->done);
    release(r);
}

void aivo_resolver_use(struct aivo_resolver *r, aivo_resolve_fn resolve)
{
    pthread_mutex_lock(&r->lock);
    r->resolve = resolve;
    pthread_mutex_unlock(&r->lock);
}

static void *work(void *argument)
{
    struct aivo_resolver *r = argument;
    struct aivo_link *link;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* the program's signals are for its own threads */
    pthread_mutex_lock(&r->lock);
    while (!r->dead && (link = aivo_list_take(&r->queued)) != NULL) {
        struct job *job = AIVO_CONTAINER(link, struct job, link);
        job->started = true;
        aivo_list_add(&r->running, &job->link);
        aivo_resolve_fn resolve = r->resolve;
        pthread_mutex_unlock(&r->lock);
        struct aivo_addresses found;
        resolve(job->host, job->port, &found);
        pthread_mutex_lock(&r->lock);
        aivo_list_remove(&job->link);
        if (r->dead) {
            free(job);
            continue;
        }
        job->found = found;
        job->finished = true;
        aivo_list_add(&r->done, &job->link);
        r->notify(r->user); /* under the lock: its target is alive as long as the resolver is not dead */
    }
    r->threads--;
    release(r);
    return NULL;
}

/* With the lock held. */
static bool start_thread(struct aivo_resolver *r)
{
    if (r->threads >= AIVO_RESOLVER_THREADS)
        return true; /* one of them takes it on */
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    r->threads++;
    r->references++;
    int error = pthread_create(&thread, &attributes, work, r);
    pthread_attr_destroy(&attributes);
    if (error) {
        r->threads--;
        r->references--;
    }
    return error == 0 || r->threads > 0;
}

static struct job *find(struct aivo_link *list, const char *host, uint16_t port)
{
    for (struct aivo_link *link = list->next; link != list; link = link->next) {
        struct job *job = AIVO_CONTAINER(link, struct job, link);
        if (job->port == port && strcmp(job->host, host) == 0)
            return job;
    }
    return NULL;
}

static struct job *make_job(const char *host, uint16_t port)
{
    size_t size = strlen(host) + 1;
    struct job *job = calloc(1, sizeof *job + size);
    if (!job)
        return NULL;
    memcpy(job->host, host, size);
    job->port = port;
    aivo_list_init(&job->lookups);
    return job;
}

bool aivo_resolver_start(struct aivo_resolver *r, const char *host, uint16_t port, struct aivo_lookup *lookup)
{
    pthread_mutex_lock(&r->lock);
    struct job *job = find(&r->queued, host, port);
    if (!job)
        job = find(&r->running, host, port);
    bool ok = job != NULL;
    if (!ok && (job = make_job(host, port)) != NULL) {
        aivo_list_add(&r->queued, &job->link);
        ok = start_thread(r);
        if (!ok) {
            aivo_list_remove(&job->link);
            free(job);
        }
    }
    if (ok) {
        lookup->job = job;
        aivo_list_add(&job->lookups, &lookup->link);
    }
    pthread_mutex_unlock(&r->lock);
    return ok;
}

void aivo_lookup_cancel(struct aivo_resolver *r, struct aivo_lookup *lookup)
{
    struct job *job = lookup->job;
    if (!job)
        return;
    lookup->job = NULL;
    aivo_list_remove(&lookup->link);
    pthread_mutex_lock(&r->lock);
    if (!job->started && aivo_list_empty(&job->lookups)) {
        aivo_list_remove(&job->link);
        free(job);
    }
    pthread_mutex_unlock(&r->lock);
}

void aivo_resolver_collect(struct aivo_resolver *r)
{
    struct aivo_link batch, *link, *waiting;
    pthread_mutex_lock(&r->lock);
    aivo_list_move(&r->done, &batch);
    pthread_mutex_unlock(&r->lock);
    while ((link = aivo_list_take(&batch)) != NULL) {
        struct job *job = AIVO_CONTAINER(link, struct job, link);
        while ((waiting = aivo_list_take(&job->lookups)) != NULL) {
            struct aivo_lookup *lookup = AIVO_CONTAINER(waiting, struct aivo_lookup, link);
            lookup->job = NULL;
            lookup->done(lookup, &job->found);
        }
        free(job);
    }
}
