-- What visitors noticed of a deployment, as the proxy in front counted it: JSON, of services behind it only.
ALTER TABLE parts ADD COLUMN traffic TEXT;
