/* A report as a message of the queue. */
#ifndef POD_MTA_QUEUE_REPORT_ITEM_H
#define POD_MTA_QUEUE_REPORT_ITEM_H

#include "mta/queue/internal.h"
#include "mta/queue/report.h"

/*
 * Writes rep->to the report and puts it into the change. *ret_item is the caller's; untouched where there is nobody to
 * tell. Sets rep->trace for the time of the call. a: for everything on the way.
 */
int queue_report_make(struct queue *q, struct arena *a, struct report *rep, struct shelf_change *change,
                      Queue__Item **ret_item, struct err *err);

#endif
