import requests

# Register a feature.
response = requests.post("http://localhost:8000/features", json={
    "name": "customer_purchase_count_30d",
    "description": "Purchases in the last 30 days",
    "entity_type": "customer",
    "value_type": "INTEGER",
    "source": "orders",
    "category": "behaviour",
    "frequency": "DAILY",
    "owner": "data_science_team",
    "tags": ["core"],
})
print(response.json()["name"], response.json()["version"])

# Store values of one customer.
response = requests.post("http://localhost:8001/store/customer/12345", json={
    "customer_purchase_count_30d": 5,
    "avg_order_value_90d": 87.5,
})
print(response.json()["stored"])

# Read one value, and several.
response = requests.get("http://localhost:8001/get/customer/12345/customer_purchase_count_30d")
print(response.json()["value"], response.json()["status"])
response = requests.get("http://localhost:8001/get/customer/12345", params={"features": "customer_purchase_count_30d,avg_order_value_90d"})
print(response.json()["features"])
