#include "config/results_folder.hpp"

#include "tests/config/support.hpp"

namespace assay::config {
namespace {

class results_folder : public test::config_test {
protected:
  settings values() {
    settings out;
    out.results_dir = folder.path() + "/results";
    return out;
  }
};

TEST_F(results_folder, RequestsNameAPlaceBelowIt) {
  const auto from = values();
  for (const auto* name : {"baseline", "results/baseline", "./baseline", "results/./baseline/"})
    EXPECT_EQ(results_path(from, name).value(), from.results_dir + "/baseline") << name;
  EXPECT_EQ(results_path(from, "results").value(), from.results_dir);
  EXPECT_EQ(results_path(from, "a/results").value(), from.results_dir + "/a/results");
}

TEST_F(results_folder, RequestsCannotLeaveIt) {
  const auto from = values();
  for (const auto* name : {"", "/etc", "..", "a/../../b", "results/../../b"}) {
    const auto refused = results_path(from, name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().where, "output_base_path");
  }
  test::fs::create_directories(from.results_dir);
  test::fs::create_directory_symlink(folder.path(), from.results_dir + "/out");
  EXPECT_FALSE(results_path(from, "out/x")) << "a symbolic link leads elsewhere";
}

TEST_F(results_folder, ATypedPathLandsThereOnlyWhenSomebodyChoseTheFolder) {
  auto from = values();
  for (const auto* typed : {"out", "results/x", "out.json", "./x", "../x", "/x", ""})
    EXPECT_EQ(output_place(from, typed, folder.path()), typed) << "./results is the usual folder";
  from.results_dir = "/srv/results";
  EXPECT_EQ(output_place(from, "out", folder.path()), "/srv/results/out");
  EXPECT_EQ(output_place(from, "results/x.json", folder.path()), "/srv/results/x.json");
  for (const auto* typed : {"./x", "../x", "/x", ""})
    EXPECT_EQ(output_place(from, typed, folder.path()), typed);
}

} // namespace
} // namespace assay::config
