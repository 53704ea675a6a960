#include "tools/surge/tls_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>

#include "testing/http/tls_identity.h"

namespace weir::surge {
namespace {

using ::testing::HasSubstr;

// The server's side, in memory.
class TlsServer {
 public:
  TlsServer(const weir::testing::TlsIdentity& identity, std::string protocol)
      : protocol_(std::move(protocol)) {
    SSL_CTX_set_alpn_select_cb(identity.context(), Select, this);
    ssl_ = SSL_new(identity.context());
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_accept_state(ssl_);
  }
  ~TlsServer() { SSL_free(ssl_); }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  void Receive(std::string_view records) {
    if (!records.empty()) BIO_write(in_, records.data(), static_cast<int>(records.size()));
    char buffer[4096];
    for (int got = SSL_read(ssl_, buffer, sizeof buffer); got > 0;
         got = SSL_read(ssl_, buffer, sizeof buffer)) {
      said.append(buffer, static_cast<size_t>(got));
    }
  }
  void Send(std::string_view bytes) {
    ASSERT_GT(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), 0);
  }
  void Close() { SSL_shutdown(ssl_); }
  std::string Output() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    std::string records(data, static_cast<size_t>(size));
    (void)BIO_reset(out_);
    return records;
  }

  std::string said;

 private:
  static int Select(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void* self) {
    const std::string& wanted = static_cast<TlsServer*>(self)->protocol_;
    const std::string_view list(reinterpret_cast<const char*>(offered), offered_size);
    const size_t at = list.find(wanted);
    if (wanted.empty() || at == std::string_view::npos) return SSL_TLSEXT_ERR_NOACK;
    *chosen = offered + at;
    *size = static_cast<unsigned char>(wanted.size());
    return SSL_TLSEXT_ERR_OK;
  }

  const std::string protocol_;
  SSL* ssl_;
  BIO *in_, *out_;
};

class PemFile {
 public:
  explicit PemFile(const std::string& pem) {
    const int fd = mkstemp(path_);
    EXPECT_EQ(write(fd, pem.data(), pem.size()), static_cast<ssize_t>(pem.size()));
    close(fd);
  }
  ~PemFile() { std::remove(path_); }
  PemFile(const PemFile&) = delete;
  PemFile& operator=(const PemFile&) = delete;
  const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/surge-test-XXXXXX";
};

struct Met {
  TlsLink::State state = TlsLink::State::kNeedsMore;
  std::string heard;
  std::string error;
  std::string protocol;
};

// They shake hands; then the client says "question", and the server "answer" and that it closes.
Met Meet(const TlsClient::Settings& settings, const weir::testing::TlsIdentity& identity,
         const std::string& asked = "h2", const std::string& offered = "h2") {
  const auto client = TlsClient::Make(settings);
  EXPECT_TRUE(client);
  TlsLink link(**client, asked);
  TlsServer server(identity, offered);
  Met met;
  std::string records;
  link.Begin(records);
  bool asked_yet = false, answered_yet = false;
  for (int turn = 0; turn < 20 && met.state == TlsLink::State::kNeedsMore; ++turn) {
    if (link.established() && !std::exchange(asked_yet, true)) {
      EXPECT_TRUE(link.Write("question", records));
    }
    server.Receive(std::exchange(records, {}));
    if (server.said == "question" && !std::exchange(answered_yet, true)) {
      server.Send("answer");
      server.Close();
    }
    const std::string from_server = server.Output();
    link.Offer(from_server);
    char buffer[3];  // smaller than what is said
    size_t got = 0;
    while ((met.state = link.Read(buffer, sizeof buffer, got, records)) == TlsLink::State::kBytes) {
      met.heard.append(buffer, got);
    }
  }
  met.error = link.error();
  met.protocol = link.protocol();
  return met;
}

TEST(TlsLink, SpeaksWithAServerWhoseCertificateIsGood) {
  const weir::testing::TlsIdentity identity;
  const PemFile ca(identity.certificate_pem());
  for (const char* const host : {"127.0.0.1", "localhost"}) {
    const Met met = Meet({.host = host, .ca_file = ca.path()}, identity);
    EXPECT_EQ(met.state, TlsLink::State::kClosed) << met.error;
    EXPECT_EQ(met.heard, "answer");
    EXPECT_EQ(met.protocol, "h2");
  }
}

TEST(TlsLink, RefusesCertificatesOfStrangersAndForOtherHosts) {
  const weir::testing::TlsIdentity identity, stranger;
  const PemFile ca(identity.certificate_pem());
  const Met unknown = Meet({.host = "127.0.0.1", .ca_file = ca.path()}, stranger);
  EXPECT_EQ(unknown.state, TlsLink::State::kFailed);
  EXPECT_THAT(unknown.error, HasSubstr("certificate verify failed"));
  for (const char* const host : {"127.0.0.2", "example.org"}) {
    const Met other = Meet({.host = host, .ca_file = ca.path()}, identity);
    EXPECT_EQ(other.state, TlsLink::State::kFailed);
    EXPECT_THAT(other.error, HasSubstr("mismatch"));
  }
  // The one that is meant is still taken, and, where that is asked for, any.
  EXPECT_EQ(Meet({.host = "127.0.0.1", .ca_file = ca.path()}, identity).heard, "answer");
  EXPECT_EQ(Meet({.host = "example.org", .insecure = true}, stranger).heard, "answer");
}

TEST(TlsLink, TellsWhatTheServerChose) {
  const weir::testing::TlsIdentity identity;
  const TlsClient::Settings settings{.host = "127.0.0.1", .insecure = true};
  EXPECT_EQ(Meet(settings, identity, "http/1.1", "http/1.1").protocol, "http/1.1");
  EXPECT_EQ(Meet(settings, identity, "h2", "").protocol, "");
}

TEST(TlsLink, FailsWhereTheServerDoesNotSpeakTls) {
  const auto client = TlsClient::Make({.host = "127.0.0.1", .insecure = true});
  ASSERT_TRUE(client);
  TlsLink link(**client, "h2");
  std::string records;
  link.Begin(records);
  link.Offer("HTTP/1.1 400 Bad Request\r\n\r\n");
  char buffer[16];
  size_t got = 0;
  EXPECT_EQ(link.Read(buffer, sizeof buffer, got, records), TlsLink::State::kFailed);
  EXPECT_NE(link.error(), "");
}

TEST(TlsClient, SaysThatAFileIsOfNoUse) {
  const PemFile empty("");
  for (const char* const path : {empty.path(), "/nowhere/ca.pem"}) {
    const auto client = TlsClient::Make({.host = "127.0.0.1", .ca_file = path});
    ASSERT_FALSE(client);
    EXPECT_THAT(client.error().message, HasSubstr(path));
  }
}

}  // namespace
}  // namespace weir::surge
