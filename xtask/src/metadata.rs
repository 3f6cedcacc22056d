//! What cargo knows about the workspace.

use serde_json::Value;

use crate::command::{cargo, read};
use crate::failure::Failure;

/// The features of a package of the workspace, `default` left out.
pub(crate) fn features(package: &str) -> Result<Vec<String>, Failure> {
    let text = read(cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("cargo metadata is not JSON: {error}")))?;
    features_in(&metadata, package)
        .ok_or_else(|| Failure::new(format!("the workspace has no package `{package}`")))
}

fn features_in(metadata: &Value, package: &str) -> Option<Vec<String>> {
    let packages = metadata["packages"].as_array()?;
    let package = packages.iter().find(|found| found["name"] == package)?;
    let features = package["features"].as_object()?;
    Some(
        features
            .keys()
            .filter(|name| *name != "default")
            .cloned()
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_feature_but_default_is_named() {
        let metadata = json!({"packages": [
            {"name": "other", "features": {"x": []}},
            {"name": "larder", "features": {"default": ["a"], "a": [], "b": []}},
        ]});
        assert_eq!(features_in(&metadata, "larder").unwrap(), ["a", "b"]);
        assert_eq!(features_in(&metadata, "none"), None);
    }
}
