#include "services/epro/export_feed.h"

#include <utility>

namespace weir::epro {
namespace {

constexpr size_t kReportsPerPiece = 500;
constexpr int kBusyRetryMs = 50;

}  // namespace

void ExportFeed::Start(net::Loop& loop, net::Ticket ticket, exec::WorkerPool& helpers,
                       store::ReaderPool& readers, const std::string& file_name, Export table,
                       int64_t deadline_ns) {
  const std::string headers = "Weir-Cut: " + std::to_string(table.at().value()) +
                              "\r\nContent-Disposition: attachment; filename=\"" + file_name +
                              "\"\r\nCache-Control: no-store\r\n";
  const std::shared_ptr<ExportFeed> feed(
      new ExportFeed(loop, helpers, readers, std::move(table), deadline_ns));
  feed->writer_ = loop.RespondStreaming(
      ticket, {.content_type = "text/csv; charset=utf-8", .headers = headers});
  if (!feed->writer_) return;
  if (!feed->writer_->has_body()) return feed->writer_->End();
  feed->self_ = feed;
  feed->writer_->OnDrained([raw = feed.get()] {
    raw->full_ = false;
    raw->Make();
  });
  feed->writer_->OnClosed([raw = feed.get()](bool) {
    raw->writer_ = nullptr;
    // Destroyed after the writer's own call has returned.
    raw->loop_.Post([keep = std::move(raw->self_)] {});
  });
  feed->Make();
}

void ExportFeed::Make() {
  if (!writer_ || making_ || full_) return;
  if (deadline_ns_ > 0 && loop_.now_ns() >= deadline_ns_) return writer_->Abort();
  making_ = true;
  const bool taken = helpers_.TrySubmit([self = shared_from_this()] {
    auto piece = std::make_shared<Piece>();
    const auto reader = self->readers_.Borrow(self->deadline_ns_);
    const auto more = self->table_.Next(*reader, kReportsPerPiece, &piece->rows);
    piece->failed = !more;
    piece->more = more && *more;
    self->loop_.Post([self, piece] { self->Send(*piece); });
  });
  if (taken) return;
  making_ = false;
  loop_.After(kBusyRetryMs, [self = shared_from_this()] { self->Make(); });
}

void ExportFeed::Send(const Piece& piece) {
  making_ = false;
  if (!writer_) return;
  // The client must not take half a table for a whole one.
  if (piece.failed) return writer_->Abort();
  if (!piece.rows.empty()) full_ = !writer_->Write(piece.rows);
  if (piece.more) return Make();
  std::exchange(writer_, nullptr)->End();
}

}  // namespace weir::epro
