// A server for the tests of surge, in memory, that keeps all its promises but the one it is told to
// break: a checker is worth what it finds. It takes reports over HTTP/1.1 and, from clients that
// begin with its preface, over HTTP/2.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tools/surge/http2_peer.h"

namespace weir::surge {

enum class Lie {
  kNone,
  kLosesOne,            // acknowledged, then 404
  kAltersOne,           // another answer in the body that is read back
  kAltersReceipt,       // the receipt names another hash
  kMovesOne,            // read back at another offset than acknowledged
  kSharesOffset,        // two reports get the same offset
  kStoresRepeats,       // a repeat is accepted as a new report
  kDoublesAlert,        // one report raises two alerts
  kForgetsAlert,        // one urgent report raises none
  kForgetsOnStream,     // its alert is in the list and never on the stream
  kAlarmsWithoutCause,  // a report without risk raises an alert
  kCountsTwice,         // the analytics count one report twice
  kCountsTooFew,
  kLeavesPending,   // a task never applies one report, and says that it lags by none
  kNeverCatchesUp,  // a task lags for ever
  kRefusesOne,      // 422
  // Not lies, but trials that a client must survive:
  kBreaksConnections,  // every tenth report is kept and its connection closed without an answer
  kIsBusy,             // every tenth report is answered 503 with Retry-After, the first time
  kStaysBusy,          // reports whose id starts with 0 are answered 503, always
  kBreaksStream,       // the stream of alerts ends after every twentieth event
  kResetsStreams,      // HTTP/2: every tenth report is kept and its stream reset
  kGoesAway,           // HTTP/2: after every tenth report no more are taken on its connection
};

class LyingServer {
 public:
  explicit LyingServer(Lie lie);
  ~LyingServer();
  LyingServer(const LyingServer&) = delete;
  LyingServer& operator=(const LyingServer&) = delete;
  uint16_t port() const { return port_; }

 private:
  struct Connection {
    int fd;
    std::string in;
    std::string out;
    bool stream = false;
    bool close = false;
    size_t events_sent = 0;
    std::unique_ptr<Http2Peer> http2;
  };
  struct Report {
    uint64_t offset;
    std::string body;
    std::string read_as;  // the body that is read back
    int sent = 0;
  };

  void Run();
  void Serve(Connection& connection);
  void ServeHttp2(Connection& connection);
  void SubmitOverHttp2(Connection& connection, const Http2Peer::Request& request);
  void Answer(Connection& connection, std::string_view target, std::string_view head,
              std::string_view body);
  void Submit(Connection& connection, const std::string& body);
  void RaiseAlerts(const std::string& id, const Report& report);
  void FeedStream(Connection& connection);
  std::string Read(const std::string& id) const;
  std::string Analytics() const;
  bool Chosen(Lie lie, uint64_t offset) const { return lie_ == lie && offset == kChosen; }

  static constexpr uint64_t kChosen = 7;  // the offset of the report that is lied about
  const Lie lie_;
  int listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::map<std::string, Report, std::less<>> reports_;
  uint64_t next_offset_ = 0;
  uint64_t submissions_ = 0;
  bool refused_ = false;
  bool lied_about_alert_ = false;
  std::deque<std::string> alerts_;    // the list
  std::deque<std::string> streamed_;  // the stream
  std::deque<Connection> connections_;
  std::vector<Http2Peer::Request> http2_requests_;  // of the bytes that are being read
  std::thread thread_;
};

}  // namespace weir::surge
