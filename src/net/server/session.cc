#include "net/server/session.h"

#include "net/server/request_body.h"

namespace weir::net {

void Session::CompleteHead(uint64_t sequence, int64_t received_ns) {
  Request& request = host_.head.request;
  request.ticket = SessionHost::MakeTicket(id_, sequence);
  request.received_ns = received_ns;
  request.peer = peer_;
  request.peer_certificate = host_.transport.PeerCertificate(id_);
}

uint64_t Session::BodyBytesMax(Handler::Take take) const {
  return take == Handler::Take::kInPieces ? host_.limits.streamed_body_bytes_max
                                          : host_.limits.body_bytes_max;
}

Refusal Session::RefusalOfBody(uint64_t bytes_max) const {
  if (host_.head.request.content_length.value_or(0) > bytes_max) return kBodyTooLarge;
  return host_.head.coding == Coding::kUnknown ? kCodingUnknown : Refusal{};
}

Refusal Session::HandleWhole(std::string_view body, Coding coding) {
  if (coding != Coding::kIdentity) {
    switch (host_.decoder.DecodeWhole(coding, body, host_.limits.body_bytes_max, &host_.decoded)) {
      case BodyDecoder::Whole::kMalformed:
        return kBodyMalformed;
      case BodyDecoder::Whole::kTooLarge:
        return kBodyTooLarge;
      case BodyDecoder::Whole::kOk:
        break;
    }
    body = host_.decoded;
  }
  host_.head.request.body = body.empty() ? std::string_view("") : body;
  host_.handler.OnRequest(host_.loop, host_.head.request);
  return {};
}

void Session::SetPaused(bool pause) {
  if (pause == paused_) return;
  paused_ = pause;
  if (pause) {
    host_.transport.PauseReceiving(id_);
  } else {
    host_.transport.ResumeReceiving(id_);
  }
}

}  // namespace weir::net
