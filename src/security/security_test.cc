#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "io/file_system.h"
#include "io/posix_file_system.h"
#include "security/authenticator.h"
#include "security/exposure.h"
#include "security/research_key.h"
#include "security/standing.h"
#include "security/token_store.h"
#include "security/tokens.h"

namespace weir::security {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'795'489'565'000;

class SecurityTest : public ::testing::Test {
 protected:
  SecurityTest() {
    std::string pattern = ::testing::TempDir() + "weir-security-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    path_ = TokensPath(directory_);
  }
  ~SecurityTest() override { fs::remove_all(directory_); }

  std::string Add(const std::string& name, Scopes scopes = Scopes::All(),
                  std::vector<std::string> studies = {},
                  std::optional<int64_t> expires_ms = std::nullopt) {
    return AddToken(path_, {name, scopes, std::move(studies), expires_ms}, kNow).value();
  }
  std::string Contents() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string directory_, path_;
};

TEST_F(SecurityTest, ATokenIsShownOnceAndOnlyItsHashIsKept) {
  const std::string secret = Add("app");
  EXPECT_EQ(secret.size(), 48u);
  EXPECT_THAT(secret, ::testing::StartsWith("weir_"));
  EXPECT_THAT(Contents(), Not(HasSubstr(secret.substr(5))));
  EXPECT_THAT(Contents(), HasSubstr(base::Sha256(secret).hex()));
  EXPECT_NE(Add("other"), secret);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(SecurityTest, WhatIsWrittenIsReadBack) {
  Add("site-7", Scopes().With(Scope::kRead).With(Scope::kAlerts), {"s2", "s1"}, kNow + 1000);
  ASSERT_TRUE(RevokeToken(path_, "site-7", kNow + 5));
  const auto tokens = LoadTokens(path_).value();
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].identity.name, "site-7");
  EXPECT_EQ(ToString(tokens[0].identity.scopes), "read,alerts");
  EXPECT_THAT(tokens[0].identity.studies, ::testing::ElementsAre("s1", "s2"));
  EXPECT_EQ(tokens[0].created_ms, kNow);
  EXPECT_EQ(tokens[0].expires_ms, kNow + 1000);
  EXPECT_EQ(tokens[0].revoked_ms, kNow + 5);
}

TEST_F(SecurityTest, ANameIsNeverGivenTwice) {
  Add("app");
  const auto again = AddToken(path_, {"app", Scopes::All(), {}, {}}, kNow);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  ASSERT_TRUE(RevokeToken(path_, "app", kNow));
  EXPECT_FALSE(AddToken(path_, {"app", Scopes::All(), {}, {}}, kNow));
  EXPECT_EQ(RevokeToken(path_, "none", kNow).error().code, ErrorCode::kNotFound);
}

TEST_F(SecurityTest, RefusesNamesScopesAndStudiesThatAreNone) {
  for (const char* name : {"", "a b", "a\n", "ä"}) {
    EXPECT_FALSE(AddToken(path_, {name, Scopes::All(), {}, {}}, kNow)) << name;
  }
  EXPECT_FALSE(AddToken(path_, {"a", Scopes(), {}, {}}, kNow));
  const auto expired = AddToken(path_, {"a", Scopes::All(), {}, kNow}, kNow);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, base::ErrorCode::kInvalidArgument);
  EXPECT_FALSE(AddToken(path_, {"a", Scopes::All(), {""}, {}}, kNow));
  EXPECT_FALSE(ParseScopes("read,write"));
  EXPECT_FALSE(ParseScopes(""));
  EXPECT_EQ(ParseScopes("all").value(), Scopes::All());
}

TEST_F(SecurityTest, OfTwoCommandsAtOnceOneIsRefused) {
  Add("first");
  const auto held = io::PosixFileSystem().Lock(directory_ + "/keys").value();
  EXPECT_EQ(AddToken(path_, {"second", Scopes::All(), {}, {}}, kNow).error().code,
            ErrorCode::kUnavailable);
  EXPECT_EQ(LoadTokens(path_).value().size(), 1u);
}

TEST_F(SecurityTest, AFileThatOthersMayReadIsRefused) {
  Add("app");
  chmod(path_.c_str(), 0644);
  const auto tokens = LoadTokens(path_);
  EXPECT_EQ(tokens.error().code, ErrorCode::kPermission);
  EXPECT_THAT(tokens.error().message, HasSubstr("chmod 600"));
}

TEST_F(SecurityTest, ADamagedFileIsRefusedAndNeverOpensTheServer) {
  Add("app");
  const std::string good = Contents();
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Authenticator authenticator(store);
  for (const std::string& bad : {good.substr(0, good.size() / 2), std::string("{}"), std::string(),
                                 std::string("{\"version\":2,\"tokens\":[]}"),
                                 std::string("{\"version\":1,\"tokens\":[{\"name\":\"a\"}]}")}) {
    std::ofstream(path_) << bad;
    EXPECT_EQ(LoadTokens(path_).error().code, ErrorCode::kCorruption) << bad;
    EXPECT_FALSE(store.Reload());
    EXPECT_FALSE(authenticator.Check("", kNow));
  }
  TokenStore fresh(path_);
  EXPECT_FALSE(fresh.Reload());
  EXPECT_FALSE(Authenticator(fresh).Check("", kNow)) << "tokens that were never read";
}

TEST_F(SecurityTest, OnlyWhoHasTheSecretIsKnown) {
  const std::string secret = Add("app");
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Authenticator authenticator(store);
  for (int i = 0; i < 3; ++i) {  // the second time out of the cache
    const auto outcome = authenticator.Check("Bearer " + secret, kNow);
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome.identity->name, "app");
  }
  EXPECT_TRUE(authenticator.Check("bearer  " + secret, kNow)) << "the scheme has no case";
  EXPECT_EQ(authenticator.Check("", kNow).refusal, Refusal::kMissing);
  EXPECT_EQ(authenticator.Check(secret, kNow).refusal, Refusal::kMalformed);
  EXPECT_EQ(authenticator.Check("Basic abc", kNow).refusal, Refusal::kMalformed);
  EXPECT_EQ(authenticator.Check("Bearer ", kNow).refusal, Refusal::kMalformed);
  for (size_t i = 0; i < secret.size(); ++i) {
    std::string wrong = secret;
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(authenticator.Check("Bearer " + wrong, kNow).refusal, Refusal::kInvalid);
  }
  EXPECT_FALSE(authenticator.Check("Bearer " + secret + "x", kNow));
  EXPECT_FALSE(authenticator.Check("Bearer " + std::string(10'000, 'a'), kNow));
}

TEST_F(SecurityTest, AmongManyTokensEachIsKnownByItsName) {
  std::vector<std::string> secrets;
  for (int i = 0; i < 100; ++i) secrets.push_back(Add("t" + std::to_string(i)));
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Authenticator authenticator(store);
  for (int round = 0; round < 3; ++round) {  // more tokens than the cache has slots
    for (size_t i = 0; i < secrets.size(); ++i) {
      const auto outcome = authenticator.Check("Bearer " + secrets[i], kNow);
      ASSERT_TRUE(outcome);
      EXPECT_EQ(outcome.identity->name, "t" + std::to_string(i));
    }
  }
}

TEST_F(SecurityTest, RevocationAndExpiryTakeEffect) {
  const std::string revoked = Add("a"), expiring = Add("b", Scopes::All(), {}, kNow + 1000);
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  EXPECT_EQ(store.table()->active(kNow), 2u);
  Authenticator authenticator(store);
  EXPECT_TRUE(authenticator.Check("Bearer " + revoked, kNow));
  EXPECT_TRUE(authenticator.Check("Bearer " + expiring, kNow + 999));
  EXPECT_FALSE(authenticator.Check("Bearer " + expiring, kNow + 1000));
  EXPECT_FALSE(store.ReloadIfChanged().value());
  ASSERT_TRUE(RevokeToken(path_, "a", kNow));
  EXPECT_TRUE(store.ReloadIfChanged().value());
  EXPECT_EQ(authenticator.Check("Bearer " + revoked, kNow).refusal, Refusal::kInvalid);
  EXPECT_EQ(store.table()->active(kNow), 1u);
}

TEST_F(SecurityTest, WhoWasLetInIsHeldToItAfterwards) {
  const std::string revoked = Add("a"), expiring = Add("b", Scopes::All(), {}, kNow + 1000);
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Standing first(store, "Bearer " + revoked, Scope::kSubmit);
  Standing second(store, "bearer " + expiring, Scope::kAlerts);
  EXPECT_TRUE(first.Holds(kNow));
  EXPECT_TRUE(second.Holds(kNow + 999));
  EXPECT_FALSE(second.Holds(kNow + 1000));
  EXPECT_FALSE(Standing(store, "Bearer x", Scope::kSubmit).Holds(kNow));
  EXPECT_FALSE(Standing(store, "", Scope::kSubmit).Holds(kNow));
  ASSERT_TRUE(RevokeToken(path_, "a", kNow));
  ASSERT_TRUE(store.ReloadIfChanged().value());
  EXPECT_FALSE(first.Holds(kNow));
  EXPECT_TRUE(second.Holds(kNow)) << "another's revocation";
}

TEST_F(SecurityTest, WhoCameWithoutATokenStaysUntilThereIsOne) {
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Standing anonymous(store, "", Scope::kAlerts);
  EXPECT_TRUE(anonymous.Holds(kNow));
  (void)Add("a");
  ASSERT_TRUE(store.ReloadIfChanged().value());
  EXPECT_FALSE(anonymous.Holds(kNow));
}

TEST_F(SecurityTest, ScopesAndStudiesLimitWhatATokenMayDo) {
  const std::string secret = Add("site", Scopes().With(Scope::kRead), {"s1", "s3"});
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Authenticator authenticator(store);
  const std::string value = "Bearer " + secret;
  EXPECT_TRUE(authenticator.Check(value, kNow, Scope::kRead, "s1"));
  EXPECT_EQ(authenticator.Check(value, kNow, Scope::kRead, "s2").refusal, Refusal::kStudy);
  EXPECT_EQ(authenticator.Check(value, kNow, Scope::kOperate, "s1").refusal, Refusal::kScope);
  EXPECT_EQ(HttpStatus(Refusal::kScope), 403);
  EXPECT_EQ(HttpStatus(Refusal::kStudy), 403);
  EXPECT_EQ(HttpStatus(Refusal::kInvalid), 401);
  EXPECT_THAT(ChallengeHeader(Refusal::kInvalid, Scope::kRead),
              ::testing::EndsWith("\"invalid_token\"\r\n"));
  EXPECT_THAT(ChallengeHeader(Refusal::kScope, Scope::kOperate),
              ::testing::EndsWith(", error=\"insufficient_scope\", scope=\"operate\"\r\n"));
  EXPECT_THAT(ChallengeHeader(Refusal::kStudy, Scope::kRead),
              ::testing::EndsWith("error=\"insufficient_scope\"\r\n"));
  EXPECT_THAT(Detail(Refusal::kScope, Scope::kOperate), ::testing::HasSubstr("`operate`"));
}

TEST_F(SecurityTest, WithoutTokensItIsOpenUntilTheFirstOneIsAdded) {
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  Authenticator authenticator(store);
  EXPECT_TRUE(authenticator.open());
  EXPECT_EQ(authenticator.Check("anything at all", kNow).identity->name, "anonymous");
  Add("app");
  ASSERT_TRUE(store.ReloadIfChanged().value());
  EXPECT_FALSE(authenticator.Check("", kNow));
  EXPECT_FALSE(authenticator.open());
  fs::remove(path_);
  ASSERT_TRUE(store.ReloadIfChanged().value());
  EXPECT_FALSE(authenticator.Check("", kNow)) << "only a start opens it again";
}

TEST_F(SecurityTest, RevokingTheLastTokenDoesNotOpenTheServer) {
  Add("app");
  ASSERT_TRUE(RevokeToken(path_, "app", kNow));
  TokenStore store(path_);
  ASSERT_TRUE(store.Reload());
  EXPECT_FALSE(Authenticator(store).Check("", kNow));
}

TEST_F(SecurityTest, TheListShowsStatesAndNoSecrets) {
  const std::string secret = Add("app");
  Add("old", Scopes().With(Scope::kSubmit), {"s1"}, kNow + 1);
  const std::string list = FormatTokens(LoadTokens(path_).value(), kNow + 1);
  EXPECT_THAT(list, HasSubstr("app   in force  submit,read,alerts,operate  all"));
  EXPECT_THAT(list, HasSubstr("old   expired   submit"));
  EXPECT_THAT(list, Not(HasSubstr(base::Sha256(secret).hex().substr(0, 16))));
}

TEST(Exposure, LoopbackNeedsNothing) {
  for (const char* host : {"127.0.0.1", "127.3.2.1", "::1", "localhost", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(CheckExposure({.host = host, .admin_host = "127.0.0.1"}), std::nullopt) << host;
  }
}

TEST(Exposure, OffLoopbackNeedsProtectionAndAToken) {
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "weir.example", "", "::ffff:10.0.0.1"}) {
    Exposure exposure{.host = host, .admin_host = "127.0.0.1"};
    ASSERT_TRUE(CheckExposure(exposure)) << host;
    EXPECT_THAT(*CheckExposure(exposure), HasSubstr("InsecureAllowPublic"));
    EXPECT_THAT(*CheckExposure(exposure), HasSubstr("weir tokens add")) << "all of it at once";
    exposure.insecure_allow_public = true;
    ASSERT_TRUE(CheckExposure(exposure));
    EXPECT_THAT(*CheckExposure(exposure), HasSubstr("weir tokens add"));
    exposure.tokens_active = 1;
    EXPECT_EQ(CheckExposure(exposure), std::nullopt);
    exposure.insecure_allow_public = false;
    EXPECT_TRUE(CheckExposure(exposure));
    exposure.tls = true;
    EXPECT_EQ(CheckExposure(exposure), std::nullopt);
  }
  EXPECT_THAT(*CheckExposure({.host = "127.0.0.1", .admin_host = "0.0.0.0"}),
              HasSubstr("Admin.Host"));
}

TEST_F(SecurityTest, TheResearchKeyIsMadeOnceAndKept) {
  EXPECT_EQ(ResearchKey::Load(directory_).error().code, ErrorCode::kNotFound);
  const auto first = ResearchKey::LoadOrCreate(directory_).value();
  const auto second = ResearchKey::LoadOrCreate(directory_).value();
  EXPECT_TRUE(first.created());
  EXPECT_FALSE(second.created());
  EXPECT_EQ(ResearchKey::Load(directory_).value().bytes(), first.bytes());
  EXPECT_EQ(first.bytes(), second.bytes());
  EXPECT_EQ(first.Pseudonym("s1", "p1"), second.Pseudonym("s1", "p1"));
  EXPECT_NE(first.Pseudonym("s1", "p1"), first.Pseudonym("s2", "p1"));
  EXPECT_NE(first.Pseudonym("s1", "p1"), first.Pseudonym("s1", "p2"));
  EXPECT_EQ(first.Pseudonym("s1", "p1").size(), 32u);
  const std::string path = directory_ + "/keys/research.key";
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::ofstream(path) << "damaged";
  EXPECT_EQ(ResearchKey::LoadOrCreate(directory_).error().code, ErrorCode::kCorruption);
  chmod(path.c_str(), 0640);
  EXPECT_EQ(ResearchKey::LoadOrCreate(directory_).error().code, ErrorCode::kPermission);
}

}  // namespace
}  // namespace weir::security
