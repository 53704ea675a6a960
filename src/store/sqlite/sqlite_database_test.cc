#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "store/database.h"
#include "store/reader_pool.h"

namespace weir::store {
namespace {

using base::ErrorCode;

constexpr Migration kFirst{1, "rows",
                           "CREATE TABLE row(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"};
constexpr Migration kSecond{2, "more", "ALTER TABLE row ADD COLUMN more INTEGER"};

class SqliteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("weir_store_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const char* name = "weir.db") const { return folder_ / name; }
  std::unique_ptr<Database> Open(int64_t size_bytes_max = 0, const char* name = "weir.db") {
    auto database = OpenSqlite({.path = path(name), .size_bytes_max = size_bytes_max});
    EXPECT_TRUE(database) << database.error().message;
    return std::move(*database);
  }
  static base::Status Insert(Connection& connection, int64_t id, std::string_view text) {
    WEIR_ASSIGN_OR_RETURN(Statement * insert,
                          connection.Prepare("INSERT INTO row(id, text) VALUES(?, ?)"));
    insert->Bind(1, id).BindText(2, text);
    return insert->Run();
  }
  static int64_t Count(Connection& connection) {
    Statement* count = *connection.Prepare("SELECT count(*) FROM row");
    EXPECT_TRUE(*count->Step());
    const int64_t rows = count->Int(0);
    count->Reset();
    return rows;
  }

  std::filesystem::path folder_;
};

TEST_F(SqliteTest, KeepsWhatWasCommittedAndNothingElse) {
  {
    auto database = Open();
    ASSERT_TRUE(database->Migrate(std::array{kFirst}));
    auto writer = *database->OpenWriter();
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(Insert(*writer, 1, "kept"));
    ASSERT_TRUE(writer->Commit());
    ASSERT_TRUE(writer->Begin());
    ASSERT_TRUE(Insert(*writer, 2, "not committed"));
  }
  auto database = Open();
  auto reader = *database->OpenReader();
  EXPECT_EQ(Count(*reader), 1);
}

TEST_F(SqliteTest, AppliesEachMigrationOnceWhateverTheirOrder) {
  auto database = Open();
  ASSERT_TRUE(database->Migrate(std::array{kFirst}));
  ASSERT_TRUE(database->Migrate(std::array{kSecond, kFirst}));
  ASSERT_TRUE(database->Migrate(std::array{kFirst, kSecond}));
  auto writer = *database->OpenWriter();
  EXPECT_TRUE(writer->Execute("INSERT INTO row(id, text, more) VALUES(1, 'a', 2)"));
}

TEST_F(SqliteTest, AMigrationThatFailsLeavesNothingBehindAndCanBeRepaired) {
  auto database = Open();
  const Migration wrong{1, "rows", "CREATE TABLE row(id INTEGER PRIMARY KEY); CREATE NONSENSE"};
  const auto failed = database->Migrate(std::array{wrong});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, ::testing::HasSubstr("migration 1 (rows)"));
  EXPECT_TRUE(database->Migrate(std::array{kFirst}));
}

TEST_F(SqliteTest, RefusesAStoreThatIsNewerThanTheProgram) {
  auto database = Open();
  ASSERT_TRUE(database->Migrate(std::array{kFirst, kSecond}));
  const auto refused = database->Migrate(std::array{kFirst});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("migration 2"));
}

TEST_F(SqliteTest, SaysWhetherTheRowOrTheEnvironmentIsAtFault) {
  auto database = Open();
  ASSERT_TRUE(database->Migrate(std::array{kFirst}));
  auto writer = *database->OpenWriter();
  ASSERT_TRUE(Insert(*writer, 1, "a"));
  EXPECT_EQ(Insert(*writer, 1, "again").error().code, ErrorCode::kInvalidArgument);
  Statement* insert = *writer->Prepare("INSERT INTO row(id, text) VALUES(?, ?)");
  insert->Bind(1, int64_t{2}).BindNull(2);
  EXPECT_EQ(insert->Run().error().code, ErrorCode::kInvalidArgument);

  auto other = *database->OpenWriter();
  ASSERT_TRUE(writer->Begin());
  EXPECT_EQ(other->Begin().error().code, ErrorCode::kUnavailable);
  writer->Rollback();
  EXPECT_TRUE(other->Begin());
}

TEST_F(SqliteTest, AFullStoreRefusesWritesUntilThereIsRoomAgain) {
  auto database = Open(256 << 10);
  ASSERT_TRUE(database->Migrate(std::array{kFirst}));
  const std::string page(4000, 'x');
  {
    auto writer = *database->OpenWriter();
    base::Status status;
    int64_t id = 0;
    while (status && id < 1000) {
      ASSERT_TRUE(writer->Begin());
      status = Insert(*writer, id++, page);
      if (status) status = writer->Commit();
      if (!status) writer->Rollback();
    }
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
    EXPECT_EQ(Count(*writer), id - 1);
  }
  auto larger = Open(0);
  auto writer = *larger->OpenWriter();
  EXPECT_TRUE(Insert(*writer, 5000, page));
}

TEST_F(SqliteTest, AFileThatIsNoStoreIsCorruption) {
  std::ofstream(path()) << std::string(8192, 'z');
  const auto opened = OpenSqlite({.path = path()});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorruption);
}

TEST_F(SqliteTest, ASavepointTakesBackItsOwnRowsOnly) {
  auto database = Open();
  ASSERT_TRUE(database->Migrate(std::array{kFirst}));
  auto writer = *database->OpenWriter();
  ASSERT_TRUE(writer->Begin());
  ASSERT_TRUE(Insert(*writer, 1, "a"));
  ASSERT_TRUE(writer->Savepoint());
  ASSERT_TRUE(Insert(*writer, 2, "b"));
  writer->RollbackToSavepoint();
  ASSERT_TRUE(writer->Savepoint());
  ASSERT_TRUE(Insert(*writer, 3, "c"));
  ASSERT_TRUE(writer->ReleaseSavepoint());
  ASSERT_TRUE(writer->Commit());
  EXPECT_EQ(Count(*writer), 2);
}

TEST_F(SqliteTest, TheLogStaysShortWhileAReaderComesAndGoes) {
  auto database = Open();
  ASSERT_TRUE(database->Migrate(std::array{kFirst}));
  auto writer = *database->OpenWriter();
  auto reader = *database->OpenReader();
  const std::string page(4000, 'x');
  uintmax_t longest = 0;
  for (int64_t id = 0; id < 24'000; id += 1000) {
    ASSERT_TRUE(writer->Begin());
    for (int64_t i = id; i < id + 1000; ++i) ASSERT_TRUE(Insert(*writer, i, page));
    ASSERT_TRUE(writer->Commit());
    EXPECT_EQ(Count(*reader), id + 1000);
    longest = std::max(longest, std::filesystem::file_size(path() + "-wal"));
  }
  EXPECT_LT(longest, 40u << 20) << "of some 100 MB written";
}

TEST_F(SqliteTest, ReplacesAStoreByAnother) {
  {
    auto old = Open();
    ASSERT_TRUE(old->Migrate(std::array{kFirst}));
    auto writer = *old->OpenWriter();
    ASSERT_TRUE(Insert(*writer, 1, "old"));
    auto fresh = Open(0, "weir.db.fresh");
    ASSERT_TRUE(fresh->Migrate(std::array{kFirst}));
    auto fresh_writer = *fresh->OpenWriter();
    ASSERT_TRUE(Insert(*fresh_writer, 1, "fresh"));
    ASSERT_TRUE(Insert(*fresh_writer, 2, "fresh"));
  }
  ASSERT_TRUE(ReplaceSqlite(path("weir.db.fresh"), path()));
  EXPECT_FALSE(std::filesystem::exists(path("weir.db.fresh")));
  auto database = Open();
  auto reader = *database->OpenReader();
  EXPECT_EQ(Count(*reader), 2);
}

TEST_F(SqliteTest, TheFileIsItsOwnersAlone) {
  auto database = Open();
  const auto mode = std::filesystem::status(path()).permissions();
  EXPECT_EQ(mode & (std::filesystem::perms::group_all | std::filesystem::perms::others_all),
            std::filesystem::perms::none);
}

TEST_F(SqliteTest, AStatementEndsAtItsDeadlineAndTheConnectionServesTheNext) {
  auto database = Open();
  ASSERT_TRUE(database->Migrate({&kFirst, 1}));
  auto pool = ReaderPool::Open(*database, 1);
  ASSERT_TRUE(pool);
  const auto now_ns = [] { return base::SystemClock().SteadyNs(); };
  constexpr std::string_view kEndless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  {
    const auto reader = (*pool)->Borrow(now_ns() + 50'000'000);
    auto endless = reader->Prepare(kEndless);
    ASSERT_TRUE(endless);
    const auto row = (*endless)->Step();
    (*endless)->Reset();
    ASSERT_FALSE(row);
    EXPECT_EQ(row.error().code, ErrorCode::kDeadline);
  }
  // The only connection there is, with no deadline, and with one that has passed already.
  {
    const auto reader = (*pool)->Borrow();
    auto select = reader->Prepare("SELECT count(*) FROM row");
    ASSERT_TRUE(select);
    EXPECT_TRUE((*select)->Step());
    (*select)->Reset();
  }
  const auto reader = (*pool)->Borrow(1);
  auto endless = reader->Prepare(kEndless);
  ASSERT_TRUE(endless);
  EXPECT_FALSE((*endless)->Step());
  (*endless)->Reset();
}

}  // namespace
}  // namespace weir::store
