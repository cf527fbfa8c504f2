#include "imapd/eas/sync/sync.h"

/*
 * WBXML's code page goes on from one element to the next. A holder is of AirSync's page, so that a piece
 * begins on it; where it ends, what is behind it begins.
 */
void eas_sync_piece_begin(struct eas_sync_run *run, struct eas_sync_piece *piece)
{
	struct wbxml_writer *out = &run->rq->out, before = *out;

	if (!piece->writer.out)
		piece->writer = (struct wbxml_writer){ .out = &piece->bytes,
			                               .page = AIRSYNC_SYNC >> 8,
			                               .depth = out->depth };
	*out = piece->writer;
	piece->writer = before;
}

void eas_sync_piece_end(struct eas_sync_run *run, struct eas_sync_piece *piece)
{
	struct wbxml_writer written = run->rq->out;

	run->rq->out = piece->writer;
	piece->writer = written;
	piece->n++;
}

void eas_sync_piece_add(struct eas_sync_run *run, const struct eas_sync_piece *piece, enum wbxml_tag holder)
{
	struct wbxml_writer *out = &run->rq->out;

	if (piece->n == 0)
		return;
	wbxml_open(out, holder);
	buf_add(out->out, buf_span(&piece->bytes));
	if (piece->bytes.failed)
		out->out->failed = true;
	out->page = piece->writer.page;
	wbxml_close(out);
}
