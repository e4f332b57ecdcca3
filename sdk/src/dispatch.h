/*
 * The two mailboxes between the program and a client: commands on their way in, and callbacks on their way out.
 */
#ifndef AIVO_DISPATCH_H
#define AIVO_DISPATCH_H

#include <aivo/client.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum aivo_command_type {
    AIVO_CMD_START,
    AIVO_CMD_STOP,
    AIVO_CMD_RETRY,
    AIVO_CMD_AUTH,
    AIVO_CMD_EMIT,
    AIVO_CMD_ACK,
    AIVO_CMD_RAW,
    AIVO_CMD_RESUME,
    AIVO_CMD_QUALITY_START,
    AIVO_CMD_QUALITY_STOP,
    AIVO_CMD_DESTROY,
};

/* One allocation: attachments and texts lie behind the struct. */
struct aivo_command {
    struct aivo_command *next;
    enum aivo_command_type type;
    size_t bytes; /* what it counts against max_send_buffer_bytes */
    const char *event;
    const char *text; /* arguments, credentials or data; NULL: none */
    size_t text_len;
    struct aivo_attachment attachments[10];
    size_t attachment_count;
    bool flag; /* EMIT: volatile; RAW: binary */
    uint64_t ack_id;
    aivo_ack_fn ack;
    void *user;
    uint32_t ack_timeout_ms;
};

/* Copies the texts and attachments of *like. NULL: no memory. */
struct aivo_command *aivo_command_copy(const struct aivo_command *like);

struct aivo_inbox {
    pthread_mutex_t lock;
    struct aivo_command *first, **last;
    atomic_size_t bytes; /* of the commands that wait */
};
void aivo_inbox_init(struct aivo_inbox *inbox);
void aivo_inbox_put(struct aivo_inbox *inbox, struct aivo_command *command);
struct aivo_command *aivo_inbox_take_all(struct aivo_inbox *inbox);
void aivo_inbox_free(struct aivo_inbox *inbox);

/* The program's callbacks; guarded by the client's lock. */
struct aivo_handler {
    struct aivo_handler *next;
    aivo_event_fn fn;
    void *user;
    char event[];
};
#define AIVO_HANDLER_BUCKETS 32
struct aivo_callbacks_set {
    aivo_state_fn on_state;
    void *state_user;
    aivo_quality_fn on_sample, on_level;
    void *quality_user;
    aivo_fate_fn on_fate;
    void *fate_user;
    aivo_notice_fn on_notice;
    void *notice_user;
    struct aivo_queue_callbacks queue;
    aivo_event_fn on_any;
    void *any_user;
    struct aivo_handler *handlers[AIVO_HANDLER_BUCKETS];
    size_t handler_count;
};
enum aivo_status aivo_callbacks_on(struct aivo_callbacks_set *set, const char *event, aivo_event_fn fn, void *user);
const struct aivo_handler *aivo_callbacks_find(const struct aivo_callbacks_set *set, const char *event);
void aivo_callbacks_free(struct aivo_callbacks_set *set);

/* Callbacks that wait for aivo_client_dispatch(). */
struct aivo_note;
#define AIVO_DISPATCH_PAUSE  1024 /* as many waiting: the client stops reading */
#define AIVO_DISPATCH_RESUME 512  /* as few: it reads again */
struct aivo_dispatch {
    int fd; /* an eventfd; -1 with callbacks on the service thread */
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct aivo_note *first, **last;
    size_t count;
    bool closed;        /* nothing is taken in but acks that end */
    bool destroy_asked; /* from inside a callback: the dispatch that runs it frees the client */
    int depth;          /* dispatch calls on the stack */
    pthread_t runner;   /* of the thread that dispatches; valid while depth > 0 */
};
enum aivo_status aivo_dispatch_init(struct aivo_dispatch *d, bool with_fd, struct aivo_error *err);
void aivo_dispatch_free(struct aivo_dispatch *d);

/* On the loop's thread: call back now, or leave a note for aivo_client_dispatch(). */
void aivo_tell_state(struct aivo_client *c, enum aivo_state from, enum aivo_state to, const struct aivo_error *error);
void aivo_tell_auth(struct aivo_client *c, enum aivo_auth_reason reason);
void aivo_tell_event(struct aivo_client *c, const struct aivo_message *message);
void aivo_tell_ack(struct aivo_client *c, aivo_ack_fn fn, void *user, enum aivo_status status,
                   const struct aivo_message *message);
void aivo_tell_quality(struct aivo_client *c, const struct aivo_quality *quality, bool level_changed, bool sampled);
/* receipt: see struct aivo_queue_sink; message and answer are borrowed until it is returned. false: not told. */
struct queue_message;
bool aivo_tell_fate(struct aivo_client *c, const struct aivo_queued *message, enum aivo_fate fate, const char *answer,
                    struct queue_message *receipt);
enum aivo_queue_event { AIVO_QUEUE_QUEUED, AIVO_QUEUE_SENT };
void aivo_tell_queue(struct aivo_client *c, enum aivo_queue_event event, const struct aivo_queued *message);
struct aivo_queue_stored;
void aivo_tell_stored(struct aivo_client *c, const struct aivo_queue_stored *stored);
void aivo_tell_notice(struct aivo_client *c, const struct aivo_error *error);
/* Runs the acks and the ends of sends that are left; for the end of a client. false: there were none. */
bool aivo_dispatch_finish(struct aivo_client *c);

#endif
