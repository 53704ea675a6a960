#include "alerts/event_feed.h"

#include "net/offload.h"
#include "security/replies.h"

namespace weir::alerts {
namespace {

constexpr size_t kPieceBytes = 32u << 10;
constexpr net::Response kHead = {.content_type = "text/event-stream",
                                 .headers = "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"};

}  // namespace

void EventFeed::Start(Stream& stream, net::Loop& loop, net::Ticket ticket, SubscribeOptions options,
                      std::function<bool()> allowed, std::string_view trace_id) {
  const std::shared_ptr<EventFeed> feed(new EventFeed(loop, std::move(allowed)));
  options.ready = [&loop, weak = std::weak_ptr<EventFeed>(feed)] {
    loop.Post([weak] {
      if (const auto alive = weak.lock()) alive->Pump();
    });
  };
  auto subscription = stream.Subscribe(std::move(options));
  if (!subscription) {
    return net::Respond(loop, ticket, security::FromError(subscription.error(), trace_id));
  }
  feed->subscription_ = std::move(*subscription);
  feed->writer_ = loop.RespondStreaming(ticket, kHead);
  if (!feed->writer_) return;
  feed->self_ = feed;
  feed->writer_->OnDrained([raw = feed.get()] {
    raw->full_ = false;
    raw->Pump();
  });
  feed->writer_->OnClosed([raw = feed.get()](bool) {
    raw->writer_ = nullptr;
    raw->subscription_.reset();
    // Destroyed after the writer's own call has returned.
    raw->loop_.Post([keep = std::move(raw->self_)] {});
  });
  feed->Pump();
}

void EventFeed::RespondHead(net::Loop& loop, net::Ticket ticket) {
  if (net::BodyWriter* writer = loop.RespondStreaming(ticket, kHead)) writer->End();
}

void EventFeed::Pump() {
  while (writer_ && subscription_ && !full_) {
    out_.clear();
    const bool more_to_come = allowed_() && subscription_->Take(out_, kPieceBytes);
    const bool took_all = out_.size() < kPieceBytes;
    if (!out_.empty()) full_ = !writer_->Write(out_);
    if (!more_to_come) {
      net::BodyWriter* writer = writer_;
      writer_ = nullptr;
      return writer->End();
    }
    if (took_all) return;
  }
}

}  // namespace weir::alerts
