#include "cli/files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace assay::cli {
namespace {

namespace fs = std::filesystem;

class files : public testing::Test {
protected:
  files() {
    std::string name = (fs::temp_directory_path() / "assay-files-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~files() override { fs::remove_all(folder); }

  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}));
  }

  fs::path folder;
};

TEST_F(files, AreWrittenWholeWithTheirFolders) {
  const auto path = folder / "a" / "b.json";
  ASSERT_TRUE(write_file_atomically(path, "one"));
  ASSERT_TRUE(write_file_atomically(path, "two"));
  EXPECT_EQ(read_file(path).value(), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "a"), fs::directory_iterator{}), 1);
}

TEST_F(files, KeepTheOldContentWhenWritingFails) {
  const auto path = folder / "x";
  ASSERT_TRUE(write_file_atomically(path, "old"));
  const auto failed = write_file_atomically(path, [](const text_sink& sink) -> result<void> {
    sink("half of the new");
    return fault{errc::store_failed, "the source broke", {}, {}};
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, errc::store_failed);
  EXPECT_EQ(read_file(path).value(), "old");
  EXPECT_EQ(entries(), 1U) << "a temporary file was left";
}

TEST_F(files, TooLargeToReadAreRefused) {
  const auto path = folder / "x";
  ASSERT_TRUE(write_file_atomically(path, "12345"));
  EXPECT_EQ(read_file(path, 4).error().code, errc::too_large);
  EXPECT_EQ(read_file(path, 5).value(), "12345");
  EXPECT_EQ(read_file(folder / "none").error().code, errc::not_found);
}

TEST_F(files, WhoseParentIsAFileCannotBeWritten) {
  ASSERT_TRUE(write_file_atomically(folder / "x", "file"));
  const auto failed = write_file_atomically(folder / "x" / "y", "text");
  ASSERT_FALSE(failed);
  EXPECT_FALSE(failed.error().where.empty());
}

TEST(as_file_name, LeavesNoSeparators) {
  EXPECT_EQ(as_file_name("openai/gpt-4o"), "openai_gpt-4o");
  EXPECT_EQ(as_file_name("../../etc"), "_.._.._etc");
  EXPECT_EQ(as_file_name(""), "_");
}

} // namespace
} // namespace assay::cli
