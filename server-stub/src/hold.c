#include "hold.h"
#include "conn.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct srv_hold {
    uv_poll_t poll;
    int fd;
    struct srv_conn *conn;
    void (*lost)(struct srv_conn *conn);
};

static void freed(uv_handle_t *handle)
{
    struct srv_hold *hold = handle->data;
    close(hold->fd);
    free(hold);
}

static void disconnected(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    struct srv_hold *hold = handle->data;
    uv_poll_stop(handle);
    hold->lost(hold->conn);
}

struct srv_hold *srv_hold_start(struct srv_conn *conn, void (*lost)(struct srv_conn *conn))
{
    struct srv_hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        return NULL;
    hold->fd = fcntl(lws_get_socket_fd(conn->wsi), F_DUPFD_CLOEXEC, 0);
    if (hold->fd < 0 || uv_poll_init(&conn->server->loop, &hold->poll, hold->fd) != 0) {
        if (hold->fd >= 0)
            close(hold->fd);
        free(hold);
        return NULL;
    }
    hold->conn = conn;
    hold->lost = lost;
    hold->poll.data = hold;
    if (uv_poll_start(&hold->poll, UV_DISCONNECT, disconnected) != 0) {
        srv_hold_stop(hold);
        return NULL;
    }
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    lws_rx_flow_control(conn->wsi, 0);
    return hold;
}

void srv_hold_stop(struct srv_hold *hold)
{
    if (!hold)
        return;
    uv_poll_stop(&hold->poll);
    uv_close((uv_handle_t *)&hold->poll, freed);
}
