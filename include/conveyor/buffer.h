/* buffer.h - the whole of the interface. */
#ifndef CONVEYOR_BUFFER_H
#define CONVEYOR_BUFFER_H
#include <conveyor/crash.h>
#include <conveyor/envelope.h>
#include <conveyor/events.h>
#include <conveyor/flow.h>
#include <conveyor/limits.h>
#include <conveyor/notify.h>
#include <conveyor/progress.h>
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <conveyor/types.h>
#include <conveyor/version.h>
#include <conveyor/wait.h>
#endif
