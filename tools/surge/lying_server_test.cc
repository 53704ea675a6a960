#include "tools/surge/lying_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/sha256.h"

namespace weir::surge {
namespace {

std::string Response(int status, std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + std::string(headers) +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

std::string Field(std::string_view json, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":\"";
  const size_t at = json.find(key);
  if (at == std::string_view::npos) return "";
  const size_t start = at + key.size();
  return std::string(json.substr(start, json.find('"', start) - start));
}

// PHQ-9 by its rules: item 9 or a total of 20 is urgent, 10 is elevated.
std::string LevelOf(std::string_view body) {
  int total = 0, last = 0;
  for (size_t at = body.find(":\"LA65"); at != std::string_view::npos;
       at = body.find(":\"LA65", at + 1)) {
    last = body.substr(at + 6, 2) == "68"   ? 0
           : body.substr(at + 6, 2) == "69" ? 1
           : body.substr(at + 6, 2) == "70" ? 2
                                            : 3;
    total += last;
  }
  return last > 0 || total >= 20 ? "urgent" : total >= 10 ? "elevated" : "";
}

constexpr const char* kTasks[] = {"cleanse", "assess", "alert", "analytics", "research", "diary"};

}  // namespace

LyingServer::LyingServer(Lie lie) : lie_(lie) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 1024) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

LyingServer::~LyingServer() {
  stop_.store(true);
  thread_.join();
  for (const Connection& connection : connections_) close(connection.fd);
  close(listener_);
}

void LyingServer::Run() {
  while (!stop_.load()) {
    std::vector<pollfd> waits{{listener_, POLLIN, 0}};
    for (const Connection& one : connections_) {
      waits.push_back({one.fd, static_cast<short>(one.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    }
    poll(waits.data(), waits.size(), 10);
    const size_t before = connections_.size();
    for (int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); fd >= 0;
         fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) {
      connections_.push_back({.fd = fd, .in = {}, .out = {}, .http2 = nullptr});
    }
    for (size_t i = 0; i < before; ++i) {
      if (waits[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) Serve(connections_[i]);
    }
    for (Connection& one : connections_) {
      if (one.stream) FeedStream(one);
      if (!one.out.empty()) {
        const ssize_t sent = send(one.fd, one.out.data(), one.out.size(), MSG_NOSIGNAL);
        if (sent > 0) one.out.erase(0, static_cast<size_t>(sent));
      }
    }
    std::erase_if(connections_, [](const Connection& one) {
      if (!one.close || !one.out.empty()) return false;
      close(one.fd);
      return true;
    });
  }
}

void LyingServer::Serve(Connection& connection) {
  char buffer[16384];
  const ssize_t got = recv(connection.fd, buffer, sizeof buffer, 0);
  if (got <= 0) {
    connection.close = got == 0;
    connection.out.clear();
    return;
  }
  connection.in.append(buffer, static_cast<size_t>(got));
  if (connection.http2 || connection.in.starts_with("PRI ")) return ServeHttp2(connection);
  while (!connection.close) {
    const size_t head_end = connection.in.find("\r\n\r\n");
    if (head_end == std::string::npos) return;
    const std::string head = connection.in.substr(0, head_end);
    const size_t length_at = head.find("Content-Length: ");
    const size_t length = length_at == std::string::npos
                              ? 0
                              : std::strtoul(head.c_str() + length_at + 16, nullptr, 10);
    if (connection.in.size() < head_end + 4 + length) return;
    const std::string body = connection.in.substr(head_end + 4, length);
    connection.in.erase(0, head_end + 4 + length);
    const size_t target = head.find(' ') + 1;
    Answer(connection, head.substr(target, head.find(' ', target) - target), head, body);
  }
}

void LyingServer::ServeHttp2(Connection& connection) {
  if (!connection.http2) {
    connection.http2 = std::make_unique<Http2Peer>(
        std::vector<nghttp2_settings_entry>{{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5}},
        [this](const Http2Peer::Request& request) { http2_requests_.push_back(request); });
  }
  if (!connection.http2->Receive(std::exchange(connection.in, {}))) connection.close = true;
  for (const auto& request : std::exchange(http2_requests_, {})) {
    SubmitOverHttp2(connection, request);
  }
  connection.out += connection.http2->Output();
  if (connection.close) connection.out.clear();
}

// As over HTTP/1.1, whose answer is then said in HTTP/2.
void LyingServer::SubmitOverHttp2(Connection& connection, const Http2Peer::Request& request) {
  Connection http1{.fd = -1, .in = {}, .out = {}, .http2 = nullptr};
  Answer(http1, request.fields.at(":path"), "", request.body);
  if (http1.close && lie_ == Lie::kResetsStreams) {
    return connection.http2->Reset(request.stream, NGHTTP2_INTERNAL_ERROR);
  }
  if (http1.close && lie_ == Lie::kGoesAway) {
    return connection.http2->GoAway(std::max(0, request.stream - 2));
  }
  if (http1.close) connection.close = true;
  if (connection.close) return;
  const std::string_view answer = http1.out;
  const bool come_again = answer.find("Retry-After: 0") != std::string_view::npos;
  connection.http2->Answer(request.stream,
                           {.status = std::atoi(http1.out.c_str() + 9),
                            .body = std::string(answer.substr(answer.find("\r\n\r\n") + 4)),
                            .retry_after = come_again ? "0" : ""});
}

void LyingServer::Answer(Connection& connection, std::string_view target, std::string_view head,
                         std::string_view body) {
  if (target == "/submit") return Submit(connection, std::string(body));
  if (target.starts_with("/api/v1/reports/default/")) {
    const std::string id(target.substr(target.rfind('/') + 1));
    const auto found = reports_.find(id);
    const bool lost = found == reports_.end() || Chosen(Lie::kLosesOne, found->second.offset);
    connection.out += lost ? Response(404, "{}") : Response(200, Read(id));
  } else if (target.starts_with("/api/v1/alerts/stream")) {
    connection.stream = true;
    const size_t last = head.find("Last-Event-ID: ");
    if (last != std::string_view::npos) {
      connection.events_sent = std::strtoul(head.data() + last + 15, nullptr, 10);
    }
    connection.out +=
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  } else if (target.starts_with("/api/v1/alerts?")) {
    const size_t from_at = target.find("&from=");
    const size_t from = from_at == std::string_view::npos
                            ? 0
                            : std::strtoul(target.data() + from_at + 6, nullptr, 10);
    constexpr size_t kPage = 10;
    std::string list = "{\"alerts\":[";
    for (size_t i = from; i < std::min(from + kPage, alerts_.size()); ++i) {
      list += (i > from ? "," : "") + alerts_[i];
    }
    list += "]";
    if (from + kPage < alerts_.size()) {
      list +=
          ",\"next\":\"/api/v1/alerts?study=default&from=" + std::to_string(from + kPage) + "\"";
    }
    connection.out += Response(200, list + "}");
  } else if (target == "/api/v1/tasks") {
    std::string tasks;
    for (const char* const name : kTasks) {
      const bool lags = lie_ == Lie::kNeverCatchesUp && name == kTasks[3] && next_offset_ > 0;
      tasks += (tasks.empty() ? "" : ",") + std::string("{\"name\":\"") + name +
               "\",\"state\":\"running\",\"cursor\":1,\"lag\":" + (lags ? "1" : "0") +
               ",\"quarantined\":0}";
    }
    connection.out += Response(200, "{\"tasks\":[" + tasks + "]}");
  } else if (target == "/api/v1/studies/default/analytics") {
    connection.out += Response(200, Analytics());
  } else {
    connection.out += Response(404, "{}");
  }
}

void LyingServer::Submit(Connection& connection, const std::string& body) {
  const std::string id = Field(body, "report_id");
  const bool trial = ++submissions_ % 10 == 0;
  const bool busy =
      (trial && lie_ == Lie::kIsBusy) || (id.starts_with('0') && lie_ == Lie::kStaysBusy);
  if (busy) {
    connection.out += Response(503, "{}", "Retry-After: 0\r\n");
    return;
  }
  if (lie_ == Lie::kRefusesOne && next_offset_ == kChosen && !refused_) {
    refused_ = true;
    connection.out += Response(422, "{\"detail\":\"no\"}");
    return;
  }
  auto found = reports_.find(id);
  const bool repeat = found != reports_.end();
  if (!repeat) {
    uint64_t offset = next_offset_++;
    std::string read_as = body;
    if (Chosen(Lie::kSharesOffset, offset)) --offset;
    if (Chosen(Lie::kAltersOne, offset)) {
      const size_t at = read_as.find(":\"LA65") + 6;
      read_as.replace(at, 2, read_as.substr(at, 2) == "68" ? "69" : "68");
    }
    found = reports_.emplace(id, Report{offset, body, read_as}).first;
    RaiseAlerts(id, found->second);
  }
  ++found->second.sent;
  if (trial &&
      (lie_ == Lie::kBreaksConnections || lie_ == Lie::kResetsStreams || lie_ == Lie::kGoesAway)) {
    connection.close = true;
    return;
  }
  const bool as_new = !repeat || lie_ == Lie::kStoresRepeats;
  const uint64_t offset = repeat && as_new ? next_offset_++ : found->second.offset;
  std::string hash = base::Sha256(body).hex();
  if (Chosen(Lie::kAltersReceipt, offset)) hash[0] = hash[0] == '0' ? '1' : '0';
  const std::string receipt = "\"receipt\":{\"offset\":" + std::to_string(offset) +
                              ",\"sha256\":\"" + hash + "\"}" +
                              (as_new ? "" : ",\"duplicate\":true");
  connection.out += Response(as_new ? 202 : 200,
                             "{\"message\":\"m\",\"report_id\":\"" + id + "\"," + receipt + "}");
}

void LyingServer::RaiseAlerts(const std::string& id, const Report& report) {
  std::string level = LevelOf(report.body);
  const bool mine = !lied_about_alert_;
  if (level.empty() && lie_ == Lie::kAlarmsWithoutCause && mine) {
    level = "elevated";
    lied_about_alert_ = true;
  }
  if (level.empty()) return;
  if (level == "urgent" && lie_ == Lie::kForgetsAlert && mine) {
    lied_about_alert_ = true;
    return;
  }
  const auto make = [&](std::string_view suffix) {
    return "{\"id\":\"" + std::to_string(report.offset) + std::string(suffix) +
           "\",\"study_id\":\"default\",\"patient_id\":\"p\",\"report_id\":\"" + id +
           "\",\"level\":\"" + level +
           "\",\"reason\":\"r\",\"created_at\":\"t\",\"state\":\"open\"}";
  };
  alerts_.push_back(make(""));
  if (lie_ == Lie::kForgetsOnStream && mine) {
    lied_about_alert_ = true;
    return;
  }
  streamed_.push_back(make(""));
  if (lie_ == Lie::kDoublesAlert && mine) {
    lied_about_alert_ = true;
    alerts_.push_back(make("-again"));
    streamed_.push_back(make("-again"));
  }
}

void LyingServer::FeedStream(Connection& connection) {
  while (connection.events_sent < streamed_.size() && !connection.close) {
    const std::string event = "id: " + std::to_string(connection.events_sent + 1) +
                              "\nevent: alert\ndata: " + streamed_[connection.events_sent] + "\n\n";
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", event.size());
    connection.out += size + event + "\r\n";
    ++connection.events_sent;
    if (lie_ == Lie::kBreaksStream && connection.events_sent % 20 == 0) connection.close = true;
  }
}

std::string LyingServer::Read(const std::string& id) const {
  const Report& report = reports_.find(id)->second;
  const uint64_t offset = report.offset + (Chosen(Lie::kMovesOne, report.offset) ? 1'000'000 : 0);
  std::string tasks;
  for (const char* const name : kTasks) {
    const bool pending = Chosen(Lie::kLeavesPending, report.offset) && name == kTasks[4];
    tasks += (tasks.empty() ? "\"" : ",\"") + std::string(name) + "\":\"" +
             (pending ? "pending" : "applied") + "\"";
  }
  return "{\"study_id\":\"default\",\"report_id\":\"" + id +
         "\",\"patient_id\":\"p\",\"received_at\":\"t\",\"receipt\":{\"offset\":" +
         std::to_string(offset) + ",\"sha256\":\"" + base::Sha256(report.body).hex() +
         "\"},\"report\":" + report.read_as + ",\"tasks\":{" + tasks + "}}";
}

std::string LyingServer::Analytics() const {
  uint64_t received = reports_.size();
  if (lie_ == Lie::kCountsTwice && received > 0) ++received;
  if (lie_ == Lie::kCountsTooFew && received > 0) --received;
  return "{\"study_id\":\"default\",\"received\":" + std::to_string(received) + "}";
}

}  // namespace weir::surge
