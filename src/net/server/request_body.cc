#include "net/server/request_body.h"

#include <algorithm>

namespace weir::net {
namespace {

constexpr size_t kDecodedPieceBytes = 16u << 10;
constexpr Refusal kChunksMalformed{400, "the body's chunks are malformed"};

}  // namespace

RequestBody::RequestBody(const Plan& plan, std::string_view head)
    : plan_(plan), remaining_(plan.chunked ? 0 : plan.content_length) {
  if (plan.chunked) chunks_.emplace(plan.chunk_framing_bytes_max);
  if (plan.use == Use::kWhole) head_ = head;
  if (plan.use == Use::kInPieces && plan.coding != Coding::kIdentity) {
    decoder_ = std::make_unique<BodyDecoder>();
    decoder_->Start(plan.coding);
  }
}

RequestBody::Progress RequestBody::Read(std::string_view input) {
  size_t at = 0;
  while (!framing_done_ && !paused_) {
    std::string_view data;
    if (chunks_) {
      const ChunkedReader::Step step = chunks_->Read(input.substr(at));
      at += step.consumed;
      if (step.state == ChunkedReader::State::kMalformed) return {at, kChunksMalformed};
      if (step.state == ChunkedReader::State::kNeedMore) return {at, {}};
      framing_done_ = step.state == ChunkedReader::State::kDone;
      data = step.data;
    } else {
      data = input.substr(at, std::min<uint64_t>(remaining_, input.size() - at));
      if (data.empty()) return {at, {}};
      at += data.size();
      remaining_ -= data.size();
      framing_done_ = remaining_ == 0;
    }
    if (!data.empty()) {
      if (const Refusal refusal = Take(data)) return {at, refusal};
    }
    if (framing_done_ && !paused_) return {at, CheckEnd()};
  }
  return {at, {}};
}

Refusal RequestBody::Take(std::string_view data) {
  received_bytes_ += data.size();
  switch (plan_.use) {
    case Use::kDiscard:
      return received_bytes_ > plan_.bytes_max ? kBodyTooLarge : Refusal{};
    case Use::kWhole:
      // A coded body larger than its decoded limit is no use of a coding.
      if (received_bytes_ > plan_.bytes_max) return kBodyTooLarge;
      whole_.append(data);
      return {};
    case Use::kInPieces:
      break;
  }
  return decoder_ ? DecodeAndHandOn(data) : HandOn(data);
}

Refusal RequestBody::HandOn(std::string_view data) {
  handed_on_bytes_ += data.size();
  if (handed_on_bytes_ > plan_.bytes_max) return kBodyTooLarge;
  if (!plan_.reader->OnBody(data)) paused_ = true;
  return {};
}

Refusal RequestBody::DecodeAndHandOn(std::string_view data) {
  char piece[kDecodedPieceBytes];
  while (true) {
    const ptrdiff_t size = decoder_->Decode(&data, piece);
    if (size < 0) return kBodyMalformed;
    if (size > 0) {
      if (const Refusal refusal = HandOn({piece, static_cast<size_t>(size)})) return refusal;
    }
    const bool more = static_cast<size_t>(size) == sizeof piece;
    if (paused_) {
      // Perhaps the decoder holds more, even if all input is used up: then Resume() asks it again.
      undecoded_.assign(data);
      return {};
    }
    if (!more) return {};
  }
}

Refusal RequestBody::End() {
  framing_done_ = true;
  return paused_ ? Refusal{} : CheckEnd();
}

Refusal RequestBody::Resume() {
  if (!paused_) return {};
  paused_ = false;
  if (decoder_) {
    std::string held;
    held.swap(undecoded_);
    if (const Refusal refusal = DecodeAndHandOn(held)) return refusal;
  }
  return framing_done_ && !paused_ ? CheckEnd() : Refusal{};
}

Refusal RequestBody::CheckEnd() const {
  return decoder_ && !decoder_->complete() ? kBodyMalformed : Refusal{};
}

}  // namespace weir::net
