#include "core/values/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace assay {
namespace {

TEST(metric_families, FollowPrometheusConventions) {
  const std::regex name_form("[a-z][a-z0-9]*(_[a-z0-9]+)*");
  std::set<std::string_view> names;
  for (const auto& family : metric_families()) {
    const std::string name(family.name);
    EXPECT_TRUE(std::regex_match(name, name_form)) << name;
    EXPECT_TRUE(names.insert(family.name).second) << name << " is there twice";
    EXPECT_EQ(name.ends_with("_total"), family.kind == metric_kind::counter) << name;
    EXPECT_FALSE(family.help.empty()) << name;
    EXPECT_FALSE(family.help.ends_with('.')) << name;
    std::set<std::string_view> labels;
    for (size_t i = 0; i < family.label_count(); ++i) {
      EXPECT_TRUE(std::regex_match(std::string(family.labels[i]), name_form)) << name;
      EXPECT_TRUE(labels.insert(family.labels[i]).second) << name;
      EXPECT_NE(family.labels[i], "le") << "histograms own this one";
      EXPECT_NE(family.labels[i], "quantile") << "summaries own this one";
    }
    for (size_t i = family.label_count(); i < family.labels.size(); ++i)
      EXPECT_TRUE(family.labels[i].empty()) << name << " has a gap between its labels";
  }
}

TEST(metric_families, AreAllDocumented) {
  std::ifstream file("docs/metrics.md");
  ASSERT_TRUE(file.good()) << "run from the project's folder";
  std::stringstream text;
  text << file.rdbuf();
  const auto page = text.str();
  std::set<std::string> documented;
  const std::regex row("\\| `assay_([a-z0-9_]+)` \\|");
  for (auto at = std::sregex_iterator(page.begin(), page.end(), row); at != std::sregex_iterator(); ++at)
    documented.insert((*at)[1]);
  std::set<std::string> known;
  for (const auto& family : metric_families()) {
    known.emplace(family.name);
    EXPECT_NE(page.find(family.help), std::string::npos)
        << "docs/metrics.md explains " << family.name << " otherwise";
  }
  EXPECT_EQ(documented, known);
}

} // namespace
} // namespace assay
