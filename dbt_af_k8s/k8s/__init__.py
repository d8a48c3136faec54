"""What Kubernetes itself says of its objects: names, amounts, the fields of each type. Pure, and knows no client."""
