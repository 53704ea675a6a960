#include "tools/surge/http2_exchange.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/server/opening.h"

namespace weir::surge {
namespace {

constexpr int64_t kWindowMax = 0x7fffffff;
constexpr int64_t kInitialWindow = 65'535;
// One answer of the largest size fits; then a stream's window need not be opened again.
constexpr uint32_t kStreamWindow = Exchange::kAnswerBytesMax + (64u << 10);
constexpr uint64_t kOpenAgainBytes = kWindowMax / 4;
constexpr size_t kBlockBytesMax = 64u << 10;
constexpr uint32_t kCancel = 8;  // RFC 9113, section 7
constexpr int32_t kLastId = 0x7fffffff;

// What is left of a frame's content without its padding and priority; false: they do not fit.
bool Unwrap(const Frame& frame, std::string_view& content) {
  content = frame.content;
  size_t padding = 0;
  if (frame.flags & kPadded) {
    if (content.empty()) return false;
    padding = static_cast<unsigned char>(content.front());
    content.remove_prefix(1);
  }
  if (frame.type == kHeaders && (frame.flags & kHasPriority)) {
    if (content.size() < 5) return false;
    content.remove_prefix(5);
  }
  if (padding > content.size()) return false;
  content.remove_suffix(padding);
  return true;
}

}  // namespace

Http2Exchange::Http2Exchange(std::shared_ptr<const Http2Head> head, unsigned streams)
    : head_(std::move(head)), streams_(streams), ids_(streams) {
  for (uint32_t place = streams; place-- > 0;) free_.push_back(place);
}

void Http2Exchange::Begin(std::string& out) {
  out += net::kHttp2Preface;
  AppendFrameHead(out, 12, kSettings, 0, 0);
  AppendSetting(out, kEnablePush, 0);
  AppendSetting(out, kInitialWindowSize, kStreamWindow);
  AppendFrameHead(out, 4, kWindowUpdate, 0, 0);
  AppendUint32(out, static_cast<uint32_t>(kWindowMax - kInitialWindow));
}

unsigned Http2Exchange::room() const {
  // While the windows hold a body back, further ones would only wait behind it.
  if (!settled_ || going_away_ || held_back_ > 0) return 0;
  const unsigned most = std::min(streams_max_, static_cast<unsigned>(streams_.size()));
  return in_flight_ < most ? most - in_flight_ : 0;
}

int64_t Http2Exchange::oldest_sent_ns() const {
  int64_t oldest = INT64_MAX;
  for (size_t place = 0; place < ids_.size(); ++place) {
    if (ids_[place] != 0) oldest = std::min(oldest, streams_[place].sent.sent_ns);
  }
  return oldest;
}

void Http2Exchange::Send(const Outgoing& request, int64_t now_ns, std::string& out) {
  WEIR_CHECK(room() > 0);
  const size_t place = free_.back();
  free_.pop_back();
  const int32_t id = next_id_;
  if (next_id_ == kLastId) {
    going_away_ = true;  // ids are not used twice: another connection has its own
  } else {
    next_id_ += 2;
  }
  ids_[place] = id;
  ++in_flight_;
  Stream& stream = streams_[place];
  stream.sent = {request.tag, request.due_ns, now_ns};
  stream.window = stream_window_;
  stream.head = {};
  const std::string_view block = NextHead();
  const std::string update = table_changed_ ? TableSizeUpdate(table_bytes_) : std::string();
  table_changed_ = false;
  AppendFrameHead(out, update.size() + block.size(), kHeaders,
                  kEndHeaders | (request.body.empty() ? kEndStream : 0), id);
  out += update;
  out += block;
  const size_t sent = AppendBody(place, request.body, out);
  if (sent == request.body.size()) return;
  stream.rest = request.body.substr(sent);
  ++held_back_;
}

std::string_view Http2Exchange::NextHead() {
  switch (table_) {
    case Table::kEmpty:
      table_ = Table::kFilled;
      return head_->first();
    case Table::kFilled:
      return head_->later();
    case Table::kUnused:
      return head_->plain();
  }
  return {};
}

// As much as the windows let through; how much that is.
size_t Http2Exchange::AppendBody(size_t place, std::string_view body, std::string& out) {
  Stream& stream = streams_[place];
  size_t sent = 0;
  while (sent < body.size()) {
    const int64_t open = std::min(window_, stream.window);
    if (open <= 0) break;
    const size_t size = std::min({body.size() - sent, static_cast<size_t>(open), frame_bytes_max_});
    const bool last = sent + size == body.size();
    AppendFrameHead(out, size, kData, last ? kEndStream : 0, ids_[place]);
    out += body.substr(sent, size);
    sent += size;
    window_ -= static_cast<int64_t>(size);
    stream.window -= static_cast<int64_t>(size);
  }
  return sent;
}

void Http2Exchange::SendHeldBack() {
  for (size_t place = 0; place < ids_.size() && held_back_ > 0 && window_ > 0; ++place) {
    Stream& stream = streams_[place];
    if (ids_[place] == 0 || stream.rest.empty()) continue;
    stream.rest.erase(0, AppendBody(place, stream.rest, *out_));
    if (stream.rest.empty()) --held_back_;
  }
}

Exchange::Verdict Http2Exchange::Receive(std::string_view bytes, bool, Owner& owner,
                                         std::string& out) {
  owner_ = &owner;
  out_ = &out;
  const Verdict verdict = ReceiveFrames(bytes);
  if (verdict == Verdict::kGoOn && going_away_ && in_flight_ == 0) return Verdict::kClose;
  return verdict;
}

Exchange::Verdict Http2Exchange::ReceiveFrames(std::string_view bytes) {
  Verdict verdict = Verdict::kGoOn;
  while (!bytes.empty() && verdict == Verdict::kGoOn) {
    // The frame that arrived in pieces is put together, and only that one copied.
    const bool pieced = !partial_.empty();
    const auto add = [&](size_t wanted) {
      const size_t added = std::min(bytes.size(), wanted - std::min(wanted, partial_.size()));
      partial_ += bytes.substr(0, added);
      bytes.remove_prefix(added);
    };
    if (pieced) add(kFrameHeadBytes);
    std::string_view whole = pieced ? std::string_view(partial_) : bytes;
    if (whole.size() >= kFrameHeadBytes) {
      const size_t size = kFrameHeadBytes + ContentBytes(whole);
      if (size > kFrameHeadBytes + kFrameBytesMax) return Wrong("a frame that is too large");
      if (pieced) add(size);
      if (pieced) whole = partial_;
      if (whole.size() >= size) {
        verdict = OnFrame(ReadFrame(whole.substr(0, size)));
        if (pieced) {
          partial_.clear();
        } else {
          bytes.remove_prefix(size);
        }
        continue;
      }
    }
    if (pieced) break;
    partial_ = bytes;
    break;
  }
  return verdict;
}

Exchange::Verdict Http2Exchange::Wrong(std::string_view what) {
  error_ = settled_ ? "the server sent " + std::string(what)
                    : std::string("the server does not speak HTTP/2");
  return Verdict::kBroken;
}

Exchange::Verdict Http2Exchange::OnFrame(const Frame& frame) {
  if (!settled_ && frame.type != kSettings) return Wrong("no settings");
  if (block_id_ != 0 && frame.type != kContinuation) return Wrong("a header that does not end");
  switch (frame.type) {
    case kData:
      return OnData(frame);
    case kHeaders:
      return OnHeaders(frame);
    case kContinuation:
      return OnContinuation(frame);
    case kRstStream:
      return OnReset(frame);
    case kSettings:
      return OnSettings(frame);
    case kGoAway:
      return OnGoAway(frame);
    case kWindowUpdate:
      return OnWindowUpdate(frame);
    case kPing:
      if (frame.content.size() != 8) return Wrong("a malformed PING");
      if (frame.flags & kAck) return Verdict::kGoOn;
      AppendFrameHead(*out_, 8, kPing, kAck, 0);
      *out_ += frame.content;
      return Verdict::kGoOn;
    case kPushPromise:
      return Wrong("a promise that was forbidden");
    default:
      return Verdict::kGoOn;  // priorities, and what later standards add
  }
}

Exchange::Verdict Http2Exchange::OnSettings(const Frame& frame) {
  if (frame.stream != 0 || frame.content.size() % 6 != 0) return Wrong("malformed SETTINGS");
  if (frame.flags & kAck) return settled_ ? Verdict::kGoOn : Wrong("no settings");
  for (size_t at = 0; at < frame.content.size(); at += 6) {
    const auto id = static_cast<uint16_t>(ReadUint32(frame.content.substr(at)) >> 16);
    const Verdict verdict = OnSetting(id, ReadUint32(frame.content.substr(at + 2)));
    if (verdict != Verdict::kGoOn) return verdict;
  }
  settled_ = true;
  AppendFrameHead(*out_, 0, kSettings, kAck, 0);
  SendHeldBack();
  return Verdict::kGoOn;
}

Exchange::Verdict Http2Exchange::OnSetting(uint16_t id, uint32_t value) {
  switch (id) {
    case kHeaderTableSize:
      // We use no more than what holds from the start, and less once less has been asked for.
      if (value >= table_bytes_) return Verdict::kGoOn;
      table_bytes_ = value;
      table_changed_ = true;
      if (!head_->fits(table_bytes_)) table_ = Table::kUnused;
      return Verdict::kGoOn;
    case kMaxConcurrentStreams:
      streams_max_ = value;
      return Verdict::kGoOn;
    case kInitialWindowSize: {
      if (value > kWindowMax) return Wrong("a window that is too large");
      const int64_t change = int64_t{value} - stream_window_;
      stream_window_ = value;
      for (Stream& stream : streams_) stream.window += change;
      return Verdict::kGoOn;
    }
    case kMaxFrameSize:
      if (value < kFrameBytesMax) return Wrong("a size of frames that is too small");
      frame_bytes_max_ = value;
      return Verdict::kGoOn;
    default:
      return Verdict::kGoOn;
  }
}

Exchange::Verdict Http2Exchange::OnHeaders(const Frame& frame) {
  std::string_view block;
  if (frame.stream == 0 || !Unwrap(frame, block)) return Wrong("malformed HEADERS");
  const bool ended = frame.flags & kEndStream;
  if (frame.flags & kEndHeaders) return OnHeaderBlock(frame.stream, ended, block);
  block_id_ = frame.stream;
  block_ends_ = ended;
  block_ = block;
  return Verdict::kGoOn;
}

Exchange::Verdict Http2Exchange::OnContinuation(const Frame& frame) {
  if (frame.stream == 0 || frame.stream != block_id_) return Wrong("a CONTINUATION of nothing");
  block_ += frame.content;
  if (block_.size() > kBlockBytesMax) return Wrong("a header that is too large");
  if (!(frame.flags & kEndHeaders)) return Verdict::kGoOn;
  return OnHeaderBlock(std::exchange(block_id_, 0), block_ends_, block_);
}

Exchange::Verdict Http2Exchange::OnHeaderBlock(int32_t id, bool ended, std::string_view block) {
  const auto head = heads_.Read(block);  // also that of a stream that we have given up
  if (!head) return Wrong("a header that cannot be decoded");
  const size_t place = PlaceOf(id);
  if (place == kNowhere) return Verdict::kGoOn;
  Stream& stream = streams_[place];
  const bool trailers = stream.head.status >= 200;
  if (!trailers) stream.head = *head;
  if (!ended) return Verdict::kGoOn;
  if (stream.head.status < 200) return Wrong("an answer without a status");
  AnswerWith(place, stream.body);
  return Verdict::kGoOn;
}

Exchange::Verdict Http2Exchange::OnData(const Frame& frame) {
  std::string_view data;
  if (frame.stream == 0 || !Unwrap(frame, data)) return Wrong("malformed DATA");
  taken_ += frame.content.size();
  if (taken_ >= kOpenAgainBytes) {
    AppendFrameHead(*out_, 4, kWindowUpdate, 0, 0);
    AppendUint32(*out_, static_cast<uint32_t>(std::exchange(taken_, 0)));
  }
  const size_t place = PlaceOf(frame.stream);
  if (place == kNowhere) return Verdict::kGoOn;
  Stream& stream = streams_[place];
  if (stream.head.status < 200) return Wrong("an answer without a status");
  const bool ended = frame.flags & kEndStream;
  if (stream.body.size() + data.size() > kAnswerBytesMax) return Wrong("an answer without end");
  if (!stream.body.empty() || !ended) stream.body += data;
  if (ended) AnswerWith(place, stream.body.empty() ? data : stream.body);
  return Verdict::kGoOn;
}

Exchange::Verdict Http2Exchange::OnReset(const Frame& frame) {
  if (frame.stream == 0 || frame.content.size() != 4) return Wrong("a malformed RST_STREAM");
  const size_t place = PlaceOf(frame.stream);
  if (place != kNowhere) Lose(place, Why::kTakenBack);
  return Verdict::kGoOn;
}

Exchange::Verdict Http2Exchange::OnGoAway(const Frame& frame) {
  if (frame.stream != 0 || frame.content.size() < 8) return Wrong("a malformed GOAWAY");
  going_away_ = true;
  const auto last = static_cast<int32_t>(ReadUint32(frame.content) & 0x7fffffff);
  const uint32_t code = ReadUint32(frame.content.substr(4));
  // What comes after the last one was not looked at, and will not be.
  for (size_t place = 0; place < ids_.size(); ++place) {
    if (ids_[place] > last) Lose(place, Why::kTakenBack);
  }
  return code == 0 ? Verdict::kGoOn : Wrong("GOAWAY with error " + std::to_string(code));
}

Exchange::Verdict Http2Exchange::OnWindowUpdate(const Frame& frame) {
  if (frame.content.size() != 4) return Wrong("a malformed WINDOW_UPDATE");
  const int64_t more = ReadUint32(frame.content) & 0x7fffffff;
  const size_t place = frame.stream == 0 ? kNowhere : PlaceOf(frame.stream);
  if (frame.stream != 0 && place == kNowhere) return Verdict::kGoOn;
  int64_t& window = frame.stream == 0 ? window_ : streams_[place].window;
  window += more;
  if (more == 0 || window > kWindowMax) return Wrong("a window that cannot be");
  SendHeldBack();
  return Verdict::kGoOn;
}

size_t Http2Exchange::PlaceOf(int32_t id) {
  if (ids_[last_place_] == id) return last_place_;
  const auto found = std::ranges::find(ids_, id);
  if (found == ids_.end()) return kNowhere;
  return last_place_ = static_cast<size_t>(found - ids_.begin());
}

Exchange::Sent Http2Exchange::Release(size_t place) {
  Stream& stream = streams_[place];
  if (!stream.rest.empty()) --held_back_;
  stream.rest.clear();
  ids_[place] = 0;
  free_.push_back(static_cast<uint32_t>(place));
  --in_flight_;
  return stream.sent;
}

void Http2Exchange::AnswerWith(size_t place, std::string_view body) {
  Answer answer;
  answer.status = streams_[place].head.status;
  answer.retry_after_s = streams_[place].head.retry_after_s;
  answer.body = body;
  if (!streams_[place].rest.empty()) {
    // It was answered early: the rest of the request is of no use, and the peer is told so.
    AppendFrameHead(*out_, 4, kRstStream, 0, ids_[place]);
    AppendUint32(*out_, kCancel);
  }
  const Sent sent = Release(place);
  owner_->Answered(sent, answer);
  streams_[place].body.clear();
}

void Http2Exchange::Lose(size_t place, Why why) {
  const Sent sent = Release(place);
  streams_[place].body.clear();
  owner_->Lost(sent, why);
}

void Http2Exchange::Abandon(Owner& owner) {
  owner_ = &owner;
  for (size_t place = 0; place < ids_.size(); ++place) {
    if (ids_[place] != 0) Lose(place, Why::kBroken);
  }
}

}  // namespace weir::surge
