/** @file aivo-gtk.h  Everything of libaivo-gtk: how good a connection is, as widgets for any GTK 4 program. */
#ifndef AIVO_GTK_H
#define AIVO_GTK_H

#include <aivo-gtk/badge.h>
#include <aivo-gtk/card.h>
#include <aivo-gtk/chart.h>
#include <aivo-gtk/series.h>
#include <aivo-gtk/types.h>

#endif
