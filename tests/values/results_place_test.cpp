#include "core/values/results_place.hpp"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(place_in_results, IsBelowTheFolder) {
  for (const auto* name : {"baseline", "results/baseline", "./baseline", "results/./baseline/"})
    EXPECT_EQ(place_in_results(name).value(), "baseline") << name;
  for (const auto* name : {"results", "results/", ".", "./"})
    EXPECT_EQ(place_in_results(name).value(), ".") << name;
  EXPECT_EQ(place_in_results("a/results").value(), "a/results");
  EXPECT_EQ(place_in_results("results/results").value(), "results");
  EXPECT_EQ(place_in_results("..x/y..z").value(), "..x/y..z");
}

TEST(place_in_results, IsNowhereElse) {
  const auto long_name = std::string(256, 'x');
  for (const auto& name : {std::string{}, std::string{"/etc"}, std::string{".."}, std::string{"a/../../b"},
                           std::string{"results/.."}, std::string{"a\nb"}, long_name}) {
    const auto refused = place_in_results(name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, errc::invalid_argument);
    EXPECT_EQ(refused.error().where, "output_base_path");
  }
}

} // namespace
} // namespace assay
