#include "storage/store.hpp"

#include "storage/schema.hpp"
#include "tests/storage/helper_process.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace assay::storage {
namespace {

using namespace testing;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 0777;
}

TEST(store_opening, CreatesThePrivateFolderAndItsParents) {
  const temp_folder temp;
  const auto folder = temp.path() / "a" / "b";
  const auto opened = store::open(test_farm::options_for(folder));
  ASSERT_TRUE(opened);
  EXPECT_EQ(mode_of(folder), 0700U);
  EXPECT_EQ(mode_of(folder / "data.mdb"), 0600U);
  EXPECT_EQ(mode_of(folder / "LOCK"), 0600U);
}

TEST(store_opening, CreatesThePrivateFolderWhenItsPathEndsInASlash) {
  const temp_folder temp;
  const auto folder = temp.path() / "data";
  ASSERT_TRUE(store::open(test_farm::options_for(folder.string() + "/")));
  EXPECT_EQ(mode_of(folder), 0700U);
}

TEST(store_opening, RefusesASecondFarmAndNamesTheFirst) {
  const temp_folder temp;
  const auto first = store::open(test_farm::options_for(temp.data()));
  ASSERT_TRUE(first);
  const auto second = store::open(test_farm::options_for(temp.data()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::store_locked);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  EXPECT_FALSE(second.error().hint.empty());
  helper_process other("open", {temp.data()});
  EXPECT_EQ(other.read_line().value_or("").substr(0, 12), "store_locked");
}

TEST(store_opening, TakesTheFolderAgainAfterItWasClosed) {
  const temp_folder temp;
  ASSERT_TRUE(store::open(test_farm::options_for(temp.data())));
  helper_process other("open", {temp.data()});
  EXPECT_EQ(other.read_line(), "ok");
}

TEST(store_opening, RefusesAFolderThatIsAFileOrBelowOne) {
  const temp_folder temp;
  std::ofstream(temp.path() / "file") << "x";
  const auto is_file = store::open(test_farm::options_for(temp.path() / "file"));
  ASSERT_FALSE(is_file);
  EXPECT_EQ(is_file.error().code, errc::store_unreadable);
  const auto below = store::open(test_farm::options_for(temp.path() / "file" / "data"));
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().code, errc::store_unreadable);
  EXPECT_FALSE(below.error().hint.empty());
  EXPECT_EQ(store::open({}).error().code, errc::invalid_argument);
}

TEST(store_opening, RefusesAFolderWithoutPermission) {
  if (::geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  const temp_folder temp;
  std::filesystem::create_directory(temp.data());
  ::chmod(temp.data().c_str(), 0000);
  const auto opened = store::open(test_farm::options_for(temp.data()));
  ::chmod(temp.data().c_str(), 0700);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, errc::store_unreadable);
}

TEST(store_opening, RefusesADataFileThatIsNone) {
  const temp_folder temp;
  std::filesystem::create_directory(temp.data());
  std::ofstream(temp.data() / "data.mdb") << std::string(20'000, 'x');
  const auto opened = store::open(test_farm::options_for(temp.data()));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, errc::store_unreadable);
  EXPECT_NE(opened.error().where.find("data.mdb"), std::string::npos);
}

TEST(store_opening, FailsWithoutDamageWhenTheDiskIsFull) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  options.inject = [](store_operation at) {
    return at == store_operation::commit ? injected_error::disk_full : injected_error::none;
  };
  const auto opened = store::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, errc::store_full);
  EXPECT_TRUE(store::open(test_farm::options_for(temp.data())));
}

// -- reading beside a farm
// ------------------------------------------------------------------------------------

TEST(read_only_opening, RefusesWhatIsNoStore) {
  const temp_folder temp;
  EXPECT_EQ(store::open_read_only(temp.path()).error().code, errc::store_unreadable);
  EXPECT_FALSE(std::filesystem::exists(temp.path() / "data.mdb"));
}

TEST(read_only_opening, RefusesInsideTheFarmsOwnProcess) {
  const temp_folder temp;
  const auto farm = store::open(test_farm::options_for(temp.data()));
  ASSERT_TRUE(farm);
  EXPECT_EQ(store::open_read_only(temp.data()).error().code, errc::conflict);
}

TEST(read_only_opening, ReadsWithoutAFarmAndStartsNoWriter) {
  const temp_folder temp;
  {
    test_farm farm(temp.data());
    write_batch batch;
    batch.put_document(table::settings, "key", "value");
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  const auto opened = store::open_read_only(temp.data());
  ASSERT_TRUE(opened);
  EXPECT_EQ(snapshot::open(*opened)->find_document(table::settings, "key").value()->bytes, "value");
  EXPECT_EQ(writer::start(*opened, {}, [](commit_report&&) {}).error().code, errc::forbidden);
}

TEST(read_only_opening, FollowsAFarmThatWritesAndEnlargesItsMap) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  options.map_size = 256 << 10;
  test_farm farm(options);
  const auto write = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      write_batch batch;
      batch.put_document(table::settings, std::to_string(i), number_source(1).bytes(1500));
      ASSERT_FALSE(farm.write(std::move(batch)).error);
    }
  };
  write(0, 1);
  helper_process reader("read", {temp.data()});
  ASSERT_EQ(reader.read_line(), "open");
  reader.write_line("count");
  EXPECT_EQ(reader.read_line(), "1");
  write(1, 500);
  reader.write_line("count");
  EXPECT_EQ(reader.read_line(), "500");
  reader.write_line("count");
  EXPECT_EQ(reader.read_line(), "500");
}

// -- writing beside a farm
// ------------------------------------------------------------------------------------

TEST(opening_beside, WritesWhatTheFarmReadsAndTheFarmGoesOn) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto write = [&](const std::string& key) {
    write_batch batch;
    batch.put_document(table::settings, key, "from the farm");
    return farm.write(std::move(batch)).error;
  };
  ASSERT_FALSE(write("one"));
  helper_process other("beside", {temp.data()});
  ASSERT_EQ(other.read_line(), "open");
  other.write_line("two");
  EXPECT_EQ(other.read_line(), "written");
  other.write_line("one");
  EXPECT_EQ(other.read_line(), "conflict") << "the condition holds for all processes";
  ASSERT_FALSE(write("three"));
  other.write_line("four");
  EXPECT_EQ(other.read_line(), "written");
  const auto found = snapshot::open(farm.data())->find_document(table::settings, "two").value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, "from beside");
  EXPECT_TRUE(snapshot::open(farm.data())->find_document(table::settings, "four").value());
  EXPECT_TRUE(snapshot::open(farm.data())->find_document(table::settings, "three").value());
}

TEST(opening_beside, RefusesInsideTheFarmsOwnProcess) {
  const temp_folder temp;
  const auto farm = store::open(test_farm::options_for(temp.data()));
  ASSERT_TRUE(farm);
  EXPECT_EQ(store::open_beside(temp.data()).error().code, errc::conflict);
}

TEST(opening_beside, TakesDocumentsOnly) {
  const temp_folder temp;
  const auto data = store::open(test_farm::options_for(temp.data()));
  ASSERT_TRUE(data);
  write_batch batch;
  batch.runs.emplace_back();
  EXPECT_EQ(write_once(*data, std::move(batch)).error().code, errc::invalid_argument);
}

// -- schema
// ---------------------------------------------------------------------------------------------------

detail::schema second_schema(result<void> outcome = {}) {
  return {2, {{1, [outcome](detail::write_transaction& transaction) {
                 transaction.put(table::meta, "migrated", "yes");
                 return outcome;
               }}}};
}

TEST(schema, IsBroughtForwardOnce) {
  const temp_folder temp;
  const auto options = test_farm::options_for(temp.data());
  EXPECT_EQ(detail::stored_version(store::open(options).value()->environment()).value(), 1U);
  const auto migrated = store::open_with_schema(options, second_schema()).value();
  EXPECT_EQ(detail::stored_version(migrated->environment()).value(), 2U);
  detail::write_transaction transaction(migrated->environment());
  transaction.begin();
  EXPECT_EQ(transaction.get(table::meta, "migrated"), "yes");
}

TEST(schema, OfTheFutureIsRefusedWithAHint) {
  const temp_folder temp;
  const auto options = test_farm::options_for(temp.data());
  ASSERT_TRUE(store::open_with_schema(options, second_schema()));
  const auto opened = store::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, errc::store_incompatible);
  EXPECT_FALSE(opened.error().hint.empty());
  EXPECT_EQ(store::open_read_only(temp.data()).error().code, errc::store_incompatible);
}

TEST(schema, StaysAsItIsWhenAStepFailsOrIsMissing) {
  const temp_folder temp;
  const auto options = test_farm::options_for(temp.data());
  ASSERT_TRUE(store::open(options));
  const auto failed = store::open_with_schema(options, second_schema(fault{errc::internal, "no", {}, {}}));
  EXPECT_EQ(failed.error().code, errc::internal);
  EXPECT_EQ(store::open_with_schema(options, {3, second_schema().steps}).error().code,
            errc::store_incompatible);
  const auto opened = store::open(options);
  ASSERT_TRUE(opened);
  detail::write_transaction transaction((*opened)->environment());
  transaction.begin();
  EXPECT_FALSE(transaction.get(table::meta, "migrated"));
}

TEST(schema, OfANewStoreIsTheNewestWithoutMigration) {
  const temp_folder temp;
  const auto opened = store::open_with_schema(test_farm::options_for(temp.data()),
                                              second_schema(fault{errc::internal, "not called", {}, {}}));
  ASSERT_TRUE(opened);
  EXPECT_EQ(detail::stored_version((*opened)->environment()).value(), 2U);
}

} // namespace
} // namespace assay::storage
