/**
 * @file types.h  What the widgets are told, as types that a GObject property can hold.
 *
 * All of libaivo-gtk belongs to the thread that GTK runs in. A program whose snapshots arrive in another thread copies
 * them over, with g_idle_add(), or has its callbacks in the main loop
 * (AIVO_CALLBACKS_DISPATCH). Nothing here opens a socket, a file or a thread, or waits.
 */
#ifndef AIVO_GTK_TYPES_H
#define AIVO_GTK_TYPES_H

#include <aivo/quality.h>
#include <glib-object.h>

#if defined(AIVO_GTK_BUILDING) && defined(__GNUC__)
/** Marks what the library exports. */
#define AIVO_GTK_API __attribute__((visibility("default")))
#else
/** Marks what the library exports. */
#define AIVO_GTK_API
#endif

G_BEGIN_DECLS

/**
 * AIVO_TYPE_QUALITY: a boxed type that holds a struct aivo_quality. Setting a property of it copies the struct, also
 * one of an older or a newer library (its `size` says how much of it there is); a figure that is missing in it is
 * unknown. NULL is "nothing is known".
 */
#define AIVO_TYPE_QUALITY (aivo_quality_get_type())
/** The GType behind AIVO_TYPE_QUALITY. */
AIVO_GTK_API GType aivo_quality_get_type(void);

/** The struct under the name that GObject has for it. */
typedef struct aivo_quality AivoQuality;

/** A copy; free it with aivo_quality_free(). NULL gives NULL. */
AIVO_GTK_API struct aivo_quality *aivo_quality_copy(const struct aivo_quality *quality);
/** NULL is allowed. */
AIVO_GTK_API void aivo_quality_free(struct aivo_quality *quality);

/**
 * Where a connection stands. But for the first, the numbers are those of enum aivo_state (client.h), so that a cast
 * does.
 */
typedef enum {
    AIVO_LINK_UNKNOWN = -1,     /**< not told: what the snapshot says counts (the default) */
    AIVO_LINK_DISCONNECTED = 0, /**< not started, or stopped */
    AIVO_LINK_CONNECTING = 1,   /**< the first attempt is under way */
    AIVO_LINK_CONNECTED = 2,    /**< events flow */
    AIVO_LINK_RECONNECTING = 3, /**< waiting for, or making, a further attempt */
    AIVO_LINK_CLOSING = 4,      /**< stop was asked for */
    AIVO_LINK_FAILED = 5        /**< given up */
} AivoLinkState;

/** The enumeration's GType. */
#define AIVO_TYPE_LINK_STATE (aivo_link_state_get_type())
/** The GType behind AIVO_TYPE_LINK_STATE. */
AIVO_GTK_API GType aivo_link_state_get_type(void);

G_END_DECLS
#endif
